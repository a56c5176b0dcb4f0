// The windows that average and maximum pooling are tried with.
import { range, type Range } from './cases.js';
import { extent, type Pair, type Sides } from './geometry.js';

export interface Pooling {
  name: string;
  /** [n, h, w, c] */
  x: readonly [number, number, number, number];
  y: readonly [number, number, number, number];
  attributes: Record<string, number>;
  from?: Range;
  to?: Range;
  accumulate?: true;
}

interface Options {
  padding?: Sides;
  fit?: 'crop' | 'pad';
  from?: Range;
  to?: Range;
  accumulate?: true;
  note?: string;
}

function pooling(
  x: readonly [number, number, number, number],
  [sizeH, sizeW]: Pair,
  [strideH, strideW]: Pair,
  { padding = [0, 0, 0, 0], fit = 'crop', note, ...rest }: Options = {},
): Pooling {
  const [n, h, w, c] = x;
  const [padTop, padLeft, padBottom, padRight] = padding;
  const text = [
    `${x.join('x')} window ${sizeH}x${sizeW} stride ${strideH}x${strideW}`,
    padding.some(Boolean) && `padding ${padding.join(',')}`,
    fit === 'pad' && 'fit pad',
    note,
  ];
  return {
    name: text.filter(Boolean).join(' '),
    x,
    y: [
      n,
      extent(h, sizeH, strideH, padTop, padBottom, fit),
      extent(w, sizeW, strideW, padLeft, padRight, fit),
      c,
    ],
    attributes: { sizeH, sizeW, strideH, strideW, padTop, padLeft, padBottom, padRight },
    ...rest,
  };
}

export const poolings: readonly Pooling[] = [
  pooling([2, 8, 8, 3], [2, 2], [2, 2]),
  pooling([1, 24, 24, 20], [2, 2], [2, 2], { note: 'LeNet' }),
  pooling([2, 7, 7, 3], [3, 3], [2, 2]),
  pooling([2, 8, 8, 3], [3, 3], [2, 2], { note: 'crop leaves a row' }),
  pooling([2, 8, 8, 3], [3, 3], [2, 2], { fit: 'pad' }),
  pooling([1, 1, 1, 1], [1, 1], [1, 1]),
  pooling([3, 5, 3, 2], [1, 1], [1, 1]),
  pooling([1, 5, 7, 33], [5, 7], [1, 1], { note: 'whole volume' }),
  pooling([2, 11, 8, 16], [2, 2], [3, 3], { note: 'gaps between windows' }),
  pooling([1, 13, 12, 4], [2, 1], [5, 4], { note: 'gaps between windows' }),
  pooling([1, 13, 11, 1], [3, 5], [2, 3], { note: 'primes' }),
  pooling([1, 13, 11, 5], [5, 2], [3, 2], { fit: 'pad', note: 'primes' }),
  pooling([2, 6, 6, 17], [3, 3], [1, 1], { padding: [1, 1, 1, 1] }),
  pooling([1, 8, 6, 3], [3, 3], [2, 2], { padding: [1, 1, 1, 1], fit: 'pad' }),
  pooling([1, 7, 9, 3], [3, 3], [2, 2], { padding: [0, 1, 2, 1], note: 'asymmetric' }),
  pooling([2, 6, 5, 2], [4, 3], [3, 2], { padding: [2, 0, 1, 2], fit: 'pad', note: 'asymmetric' }),
  pooling([1, 5, 5, 3], [2, 2], [2, 2], {
    padding: [1, 1, 1, 1],
    fit: 'pad',
    note: 'last window dropped',
  }),
  pooling([1, 16, 16, 2], [16, 16], [1, 1], { note: '256 places' }),
  pooling([1, 18, 17, 2], [17, 16], [1, 1], { note: '272 places' }),
  pooling([2, 6, 6, 3], [2, 2], [2, 2], { from: range(8, 5), note: 'input is a range' }),
  pooling([2, 6, 6, 3], [3, 3], [1, 1], { to: range(7, 2), note: 'output is a range' }),
  pooling([1, 6, 5, 16], [3, 2], [2, 1], {
    from: range(32, 16),
    to: range(17, 0),
    note: 'both are ranges',
  }),
  pooling([2, 41, 37, 24], [3, 3], [2, 2], { note: 'several pieces' }),
  pooling([2, 6, 6, 5], [3, 3], [2, 2], { fit: 'pad', accumulate: true, note: 'added' }),
  pooling([1, 7, 6, 3], [2, 2], [3, 3], {
    accumulate: true,
    from: range(6, 1),
    note: 'gaps, added to a range',
  }),
];

/** Calls f(n, p, q, top, left) for each window; top and left are in the volume's coordinates. */
export function forEachWindow(
  y: readonly number[],
  a: Readonly<Record<string, number | bigint>>,
  f: (n: number, p: number, q: number, top: number, left: number) => void,
): void {
  const [N, P, Q] = y as [number, number, number];
  for (let n = 0; n < N; ++n)
    for (let p = 0; p < P; ++p)
      for (let q = 0; q < Q; ++q)
        f(
          n,
          p,
          q,
          p * Number(a.strideH) - Number(a.padTop),
          q * Number(a.strideW) - Number(a.padLeft),
        );
}
