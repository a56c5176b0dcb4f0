// Volumes for elementwise ops: odd sizes, single elements, primes, channel ranges, pieces of work that
// end in the middle (a kernel's piece is 16384 elements), all ranks.
import { range, type Range } from './cases.js';

export interface Volume {
  name: string;
  shape: readonly number[];
  /** Where the input and the output lie within wider volumes. */
  from?: Range;
  to?: Range;
  accumulate?: true;
}

const volume = (
  shape: readonly number[],
  extra: Omit<Volume, 'name' | 'shape'> & { note?: string } = {},
): Volume => {
  const { note, ...rest } = extra;
  return { name: `${shape.join('x') || 'scalar'}${note ? ` ${note}` : ''}`, shape, ...rest };
};

export const volumes: readonly Volume[] = [
  volume([]),
  volume([1]),
  volume([17]),
  volume([1, 1]),
  volume([7, 33]),
  volume([2, 3, 5]),
  volume([1, 1, 1, 1]),
  volume([1, 1, 1, 3]),
  volume([2, 5, 7, 3]),
  volume([3, 4, 4, 16]),
  volume([2, 3, 5, 17]),
  volume([1, 7, 11, 33]),
  volume([5, 13, 1, 1]),
  volume([1, 1, 31, 1]),
  volume([3, 1, 1, 257]),
  volume([2, 41, 37, 23], { note: 'several pieces' }),
  volume([1, 128, 128, 1], { note: 'exactly one piece' }),
  volume([2, 3, 3, 5], { note: 'input is a range', from: range(16, 5) }),
  volume([2, 3, 3, 5], { note: 'output is a range', to: range(9, 4) }),
  volume([1, 5, 3, 17], { note: 'both are ranges', from: range(33, 16), to: range(18, 0) }),
  volume([3, 10], { note: 'range of a matrix', from: range(12, 2), to: range(11, 1) }),
  volume([2, 60, 47, 7], { note: 'range, several pieces', from: range(8, 0), to: range(10, 3) }),
  volume([2, 5, 3, 3], { note: 'added', accumulate: true }),
  volume([2, 5, 3, 3], {
    note: 'added to a range',
    accumulate: true,
    from: range(5, 1),
    to: range(8, 5),
  }),
];
