import { StriateError } from '../errors.js';
import { elementsOf, type Shape } from '../graph/shape.js';
import {
  classIndex,
  type Dataset,
  type ImageArray,
  type SampleArrays,
  type TargetArray,
} from './dataset.js';

export interface ArrayOptions {
  /** All images, one behind the other: `[length, ...shape]`. */
  x: ImageArray;
  /** One image: `[height, width, channels]`, or `[features]`. */
  shape: Shape;
  /** Class indices (any integer array), or numbers of `targetShape` (Float32Array) a sample. */
  target: TargetArray | Uint8Array | readonly number[];
  /** Shape of one sample's target; default `[]`. */
  targetShape?: Shape;
  classes?: readonly string[];
}

/**
 * A data set in memory. The arrays are not copied.
 * @throws StriateError `INVALID_ARGUMENT` when the lengths do not fit each other.
 */
export function fromArrays(options: ArrayOptions): Dataset {
  const { x, shape, targetShape = [], classes } = options;
  if (!(x instanceof Uint8Array) && !(x instanceof Float32Array))
    throw new StriateError('INVALID_ARGUMENT', 'x is neither a Uint8Array nor a Float32Array');
  const values = elementsOf(shape);
  const length = x.length / values;
  if (!Number.isInteger(length) || values === 0)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `x has ${x.length} elements, no multiple of the ${values} of one image [${shape.join(', ')}]`,
      { remedy: 'Give whole images, and the shape of one.' },
    );
  const target =
    options.target instanceof Float32Array ? options.target : Int32Array.from(options.target);
  const width = elementsOf(targetShape);
  if (target.length !== length * width)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `target has ${target.length} elements, ${length} images with [${targetShape.join(', ')}] each need ${length * width}`,
      { remedy: 'Give one target an image.' },
    );
  const dtype = target instanceof Float32Array ? 'float32' : 'int32';
  return {
    length,
    shape: [...shape],
    dtype: x instanceof Uint8Array ? 'uint8' : 'float32',
    ...(classes === undefined ? {} : { classes: [...classes] }),
    target: dtype === 'int32' && width === 1 ? classIndex : { dtype, shape: [...targetShape] },
    read(indices: Uint32Array, into: SampleArrays) {
      for (let i = 0; i < indices.length; i++) {
        const index = indices[i] as number;
        if (index >= length)
          throw new StriateError('INVALID_ARGUMENT', `there is no sample ${index} of ${length}`);
        into.x.set(x.subarray(index * values, (index + 1) * values), i * values);
        if (width === 1) into.target[i] = target[index] as number;
        else into.target.set(target.subarray(index * width, (index + 1) * width), i * width);
      }
    },
  };
}
