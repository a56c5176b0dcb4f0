import type { NativeAccess, NativeDType } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import { isHalf, toHalf } from '../program/half.js';
import type { Access, DType } from '../program/program.js';

/**
 * Typed arrays that device memory is read into and written from. A Uint16Array holds the bits of
 * bfloat16 or float16.
 */
export type Elements = Float32Array | Float64Array | Uint8Array | Int32Array | Uint16Array;

export const nativeDTypes: Readonly<Record<DType, NativeDType>> = {
  float32: 0,
  float64: 1,
  uint8: 2,
  int32: 3,
  bfloat16: 4,
  float16: 5,
};

export const nativeAccesses: Readonly<Record<Access, NativeAccess>> = {
  read: 1,
  overwrite: 2,
  accumulate: 3,
};

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int32: Int32Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
} as const;

/** The bytes of an ArrayBuffer as elements. */
export function elementsOver(dtype: DType, bytes: ArrayBuffer): Elements {
  return new arrays[dtype](bytes);
}

/**
 * The element type of a typed array; undefined for one that devices do not know. A Uint16Array is
 * `wanted` where that has 16 bits.
 */
export function dtypeOf(data: ArrayBufferView, wanted?: DType): DType | undefined {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return 'uint8';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Uint16Array && wanted !== undefined && isHalf(wanted)) return wanted;
  return undefined;
}

/** Numbers as a typed array of this element type. */
export function toElements(dtype: DType, numbers: ArrayLike<number>): Elements {
  return isHalf(dtype) ? toHalf(dtype, numbers) : arrays[dtype].from(numbers);
}

/** A shape as devices take it: up to four extents of one or more. Returns the number of elements. */
export function checkShape(shape: unknown, where: string): number {
  const valid =
    Array.isArray(shape) &&
    shape.length <= 4 &&
    shape.every((extent: unknown) => Number.isSafeInteger(extent) && (extent as number) >= 1);
  const elements = valid ? (shape as number[]).reduce((a, b) => a * b, 1) : NaN;
  if (Number.isSafeInteger(elements)) return elements;
  throw new StriateError('INVALID_SHAPE', `${where} has the shape ${JSON.stringify(shape)}`, {
    remedy: 'Give up to four extents, each a whole number of at least 1.',
  });
}
