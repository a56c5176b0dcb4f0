/**
 * The two 16-bit element types as bits in a Uint16Array, as `native/ops/half.h` converts them: to the
 * nearest, ties to even; NaN stays NaN, what is too large becomes infinite.
 */

export type HalfType = 'bfloat16' | 'float16';

export function isHalf(dtype: string): dtype is HalfType {
  return dtype === 'bfloat16' || dtype === 'float16';
}

/** The type in which elements stored as `dtype` are computed with. */
export function computeType<T extends string>(dtype: T): Exclude<T, HalfType> | 'float32' {
  return isHalf(dtype) ? 'float32' : (dtype as Exclude<T, HalfType>);
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The bits of the number nearest to `value`, which is rounded to float32 first. */
function bitsOf(dtype: HalfType, value: number): number {
  float[0] = value;
  const word = bits[0]!;
  const size = word & 0x7fffffff;
  if (size > 0x7f800000) return 0x7fff;
  if (dtype === 'bfloat16') return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  const sign = (word >>> 16) & 0x8000;
  if (size >= 0x477ff000) return sign | 0x7c00;
  // Below the normal numbers lie multiples of 2^-24: adding 0.5 makes float32 round to them.
  if (size < 0x38800000) {
    float[0] = Math.abs(float[0]) + 0.5;
    return sign | (bits[0]! - 0x3f000000);
  }
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

function valueOf(dtype: HalfType, half: number): number {
  if (dtype === 'bfloat16') {
    bits[0] = half << 16;
    return float[0]!;
  }
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Numbers as 16-bit elements. Each is rounded to float32 first, then to 16 bits. */
export function toHalf(dtype: HalfType, numbers: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(numbers.length);
  for (let i = 0; i < halves.length; ++i) halves[i] = bitsOf(dtype, numbers[i]!);
  return halves;
}

/** 16-bit elements as numbers; exact. */
export function fromHalf(dtype: HalfType, halves: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < numbers.length; ++i) numbers[i] = valueOf(dtype, halves[i]!);
  return numbers;
}
