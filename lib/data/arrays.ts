import { StriateError } from '../errors.js';
import { checkNames } from '../graph/options.js';
import { elementsOf, requireExtents, type Shape } from '../graph/shape.js';
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
  checkNames('fromArrays', ['x', 'shape', 'target', 'targetShape', 'classes'], options);
  const { x, shape, targetShape = [], classes } = options;
  if (!(x instanceof Uint8Array) && !(x instanceof Float32Array))
    throw new StriateError('INVALID_ARGUMENT', 'x is neither a Uint8Array nor a Float32Array');
  requireExtents(shape);
  const values = elementsOf(shape);
  const length = x.length / values;
  if (!Number.isInteger(length) || values === 0)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `x has ${x.length} elements, no multiple of the ${values} of one image [${shape.join(', ')}]`,
      { remedy: 'Give whole images, and the shape of one.' },
    );
  const target = targetsOf(options.target);
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

/** Class indices as int32; floating-point arrays stay numbers. */
function targetsOf(given: unknown): TargetArray {
  if (given instanceof Float32Array || given instanceof Int32Array) return given;
  if (given instanceof Float64Array) return Float32Array.from(given);
  const values: unknown[] =
    Array.isArray(given) || ArrayBuffer.isView(given)
      ? Array.from(given as ArrayLike<unknown>)
      : [undefined];
  const wrong = values.findIndex((value) => typeof value !== 'number' || value !== (value | 0));
  if (wrong >= 0)
    throw new StriateError('INVALID_ARGUMENT', `target ${wrong} is ${String(values[wrong])}`, {
      remedy: 'Give whole numbers as class indices, or a Float32Array of numbers to learn.',
    });
  return Int32Array.from(values as number[]);
}
