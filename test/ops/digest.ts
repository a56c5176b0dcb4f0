// What the fixtures keep of a tensor: its norm and some elements (test/fixtures/generator.py, `digest`).
import type { Numbers } from './cases.js';
import { difference, type Tolerance } from './compare.js';

/** Which of `count` elements are stored. */
const indices = (count: number, stored: number): number[] =>
  Array.from({ length: stored }, (_, i) =>
    count === stored ? i : Math.floor((i * count) / stored),
  );

function norm(values: Numbers): number {
  let sum = 0;
  for (let i = 0; i < values.length; ++i) if (!Number.isNaN(values[i])) sum += values[i]! ** 2;
  return Math.sqrt(sum);
}

/** What is wrong with a tensor, compared with its digest; undefined when nothing is. */
export function digestDifference(
  actual: Numbers,
  digest: Numbers,
  tolerance: Tolerance,
): string | undefined {
  const [stored, ...samples] = Array.from(digest) as [number, ...number[]];
  const found = norm(actual);
  if (!(found === stored || Math.abs(found - stored) < tolerance.norm * stored))
    return `norm is ${found} instead of ${stored}`;
  const picked = indices(actual.length, samples.length).map((i) => actual[i]!);
  return difference(picked, samples, tolerance);
}
