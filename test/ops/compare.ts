// How far two tensors lie apart, and how far they may.
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

/** Throws when there are failures, naming the first few. */
export function expectNone(failures: readonly string[]): void {
  if (failures.length === 0) return;
  const shown = failures.slice(0, 8).map((failure) => `\n  ${failure}`);
  throw new Error(
    `${failures.length} wrong:${shown.join('')}${failures.length > 8 ? '\n  ...' : ''}`,
  );
}
