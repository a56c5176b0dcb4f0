import { StriateError } from '../errors.js';
import { elementsOf, type Shape } from '../graph/shape.js';

/** Images as they are given: bytes, or numbers. */
export type Images = Uint8Array | Float32Array | Float64Array;
export type ImageType = 'uint8' | 'float32' | 'float64';

/** The element type of an array of images. @throws StriateError `INVALID_ARGUMENT` */
export function imageType(x: unknown): ImageType {
  if (x instanceof Uint8Array) return 'uint8';
  if (x instanceof Float32Array) return 'float32';
  if (x instanceof Float64Array) return 'float64';
  throw new StriateError(
    'INVALID_ARGUMENT',
    'images are a Uint8Array, a Float32Array or a Float64Array',
    {
      remedy: 'Give one typed array, [n, height, width, channels].',
    },
  );
}

/** How many images an array holds. @throws StriateError `INVALID_ARGUMENT` */
export function countImages(x: Images, shape: Shape): number {
  imageType(x);
  const values = elementsOf(shape);
  const n = x.length / values;
  if (Number.isInteger(n) && n > 0) return n;
  throw new StriateError(
    'INVALID_ARGUMENT',
    `x has ${x.length} elements; images of [${shape.join(', ')}] need a multiple of ${values}`,
    {
      remedy: 'Give whole images, one behind the other.',
      details: { expected: values, actual: x.length },
    },
  );
}

/** A copy, so that the caller may use the array again before its turn has come. */
export function copyOf<Data extends Images | Int32Array>(x: Data): Data {
  // Every typed array's; that of Buffer gives a view.
  return Uint8Array.prototype.slice.call(x) as Data;
}
