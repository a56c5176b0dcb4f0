// How far two tensors lie apart, and how far they may.
import { isHalf, toHalf, type HalfType } from '../../lib/program/half.js';
import type { DType } from '../../lib/program/program.js';
import type { Compute, Numbers } from './cases.js';

export interface Tolerance {
  /** Most ||a - b|| / ||b||. */
  norm: number;
  /** Most max |a - b| / max |b|. */
  max: number;
}

export const tolerances: Record<Compute, Tolerance> = {
  float32: { norm: 3e-6, max: 1e-4 },
  float64: { norm: 1e-12, max: 1e-12 },
};

/**
 * What is wrong with `actual`, or undefined. NaN and infinities must stand in the same places. Where the
 * reference is zero everywhere, so must be the other.
 */
export function difference(
  actual: Numbers,
  expected: Numbers,
  tolerance: Tolerance,
): string | undefined {
  if (actual.length !== expected.length)
    return `${actual.length} elements instead of ${expected.length}`;
  let distance = 0;
  let size = 0;
  let farthest = 0;
  let largest = 0;
  let at = 0;
  for (let i = 0; i < expected.length; ++i) {
    const [a, b] = [actual[i]!, expected[i]!];
    if (Number.isFinite(b) ? !Number.isFinite(a) : !Object.is(a, b))
      return `element ${i} is ${a} instead of ${b}`;
    if (!Number.isFinite(b)) continue;
    const d = Math.abs(a - b);
    distance += d * d;
    size += b * b;
    largest = Math.max(largest, Math.abs(b));
    if (d > farthest) [farthest, at] = [d, i];
  }
  if (distance === 0) return undefined;
  const norm = Math.sqrt(distance / size);
  const max = farthest / largest;
  if (norm < tolerance.norm && max < tolerance.max) return undefined;
  return `by norm ${norm.toExponential(2)}, at most ${max.toExponential(2)}; element ${at} is ${actual[at]} instead of ${expected[at]}`;
}

/** Half a unit in the last place of a 16-bit number as large as this. */
function halfUlp(dtype: HalfType, value: number): number {
  const [bits, least] = dtype === 'bfloat16' ? [8, -126] : [11, -14];
  const exponent = value === 0 ? least : Math.max(least, Math.floor(Math.log2(Math.abs(value))));
  return 2 ** (exponent - bits);
}

/**
 * The same for numbers that an op computed in float32 and stored in 16 bits. The reference computes from
 * the rounded inputs, so the op's one error beside float32's is the rounding of its result: an element is
 * within half a unit in the last place plus float32's `max`, the whole by norm within these halves plus
 * float32's `norm`. What is too large for the type is infinite.
 */
function roundedDifference(
  dtype: HalfType,
  actual: Numbers,
  expected: Numbers,
): string | undefined {
  const { norm, max } = tolerances.float32;
  if (actual.length !== expected.length)
    return `${actual.length} elements instead of ${expected.length}`;
  const infinite = dtype === 'bfloat16' ? 0x7f80 : 0x7c00;
  const halves = toHalf(dtype, expected);
  const fits = (i: number): boolean => (halves[i]! & 0x7fff) < infinite;
  let largest = 0;
  for (let i = 0; i < expected.length; ++i)
    if (fits(i)) largest = Math.max(largest, Math.abs(expected[i]!));
  const slack = max * largest;
  const sums = { distance: 0, rounding: 0, size: 0 };
  for (let i = 0; i < expected.length; ++i) {
    const [a, b] = [actual[i]!, expected[i]!];
    const wrong = `element ${i} is ${a} instead of ${b}`;
    if (!fits(i)) {
      if (!Object.is(a, Number.isFinite(b) ? Math.sign(b) * Infinity : b)) return wrong;
      continue;
    }
    const [distance, rounding] = [Math.abs(a - b), halfUlp(dtype, Math.abs(b) + slack)];
    if (!(distance <= rounding + slack)) return wrong;
    sums.distance += distance ** 2;
    sums.rounding += rounding ** 2;
    sums.size += b ** 2;
  }
  const most = Math.sqrt(sums.rounding) + norm * Math.sqrt(sums.size);
  const by = Math.sqrt(sums.distance);
  return by <= most ? undefined : `by norm ${by}, at most ${most}`;
}

/** What is wrong with numbers that an op has stored as `dtype`; undefined: nothing. */
export function storedDifference(
  dtype: DType,
  actual: Numbers,
  expected: Numbers,
): string | undefined {
  return isHalf(dtype)
    ? roundedDifference(dtype, actual, expected)
    : difference(actual, expected, tolerances[dtype === 'float64' ? dtype : 'float32']);
}

/** Throws when there are failures, naming the first few. */
export function expectNone(failures: readonly string[]): void {
  if (failures.length === 0) return;
  const shown = failures.slice(0, 8).map((failure) => `\n  ${failure}`);
  throw new Error(
    `${failures.length} wrong:${shown.join('')}${failures.length > 8 ? '\n  ...' : ''}`,
  );
}
