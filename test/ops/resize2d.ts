import {
  elements,
  range,
  uniform,
  type Arrays,
  type FamilyCases,
  type OpCase,
  type Range,
} from './cases.js';
import { at4, type Pair } from './geometry.js';

const modes = ['nearest', 'bilinear', 'aligned'] as const;
type Mode = (typeof modes)[number];

interface Resized {
  name: string;
  x: readonly [number, number, number, number];
  y: readonly [number, number, number, number];
  attributes: { mode: number };
  from?: Range | undefined;
  to?: Range | undefined;
  accumulate: boolean;
}

interface Options {
  from?: Range;
  to?: Range;
  accumulate?: boolean;
  note?: string;
}

function resized(
  x: readonly [number, number, number, number],
  [P, Q]: Pair,
  mode: Mode,
  { from, to, accumulate = false, note }: Options = {},
): Resized {
  return {
    name: [x.join('x'), `to ${P}x${Q}`, mode, note].filter(Boolean).join(' '),
    x,
    y: [x[0], P, Q, x[3]],
    attributes: { mode: modes.indexOf(mode) },
    from,
    to,
    accumulate,
  };
}

const planes: readonly (readonly [readonly [number, number, number, number], Pair])[] = [
  [
    [2, 3, 4, 3],
    [6, 8],
  ],
  [
    [1, 1, 1, 1],
    [1, 1],
  ],
  [
    [2, 1, 1, 5],
    [4, 3],
  ],
  [
    [1, 5, 7, 16],
    [5, 7],
  ],
  [
    [1, 5, 3, 17],
    [13, 11],
  ],
  [
    [2, 7, 6, 4],
    [3, 1],
  ],
  [
    [1, 8, 9, 8],
    [1, 5],
  ],
  [
    [3, 2, 5, 6],
    [9, 5],
  ],
  [
    [1, 11, 2, 2],
    [7, 13],
  ],
  [
    [2, 23, 19, 7],
    [46, 38],
  ],
];
const cases: readonly Resized[] = [
  ...modes.flatMap((mode) => planes.map(([x, y]) => resized(x, y, mode))),
  ...modes.flatMap((mode) => [
    resized([2, 3, 4, 4], [5, 8], mode, { from: range(8, 4), note: 'input is a range' }),
    resized([2, 4, 3, 5], [3, 7], mode, { to: range(9, 3), note: 'output is a range' }),
    resized([2, 3, 2, 3], [6, 4], mode, { accumulate: true, note: 'added' }),
    resized([1, 3, 4, 8], [7, 6], mode, {
      accumulate: true,
      from: range(24, 8),
      to: range(16, 8),
      note: 'added to a range',
    }),
  ]),
];

const forward = (g: Resized, put?: Record<number, number>): OpCase => ({
  name: g.name,
  attributes: g.attributes,
  inputs: { x: { shape: g.x, fill: uniform(-1, 1, put), ...g.from } },
  outputs: { y: { shape: g.y, ...g.to, ...(g.accumulate && { accumulate: true as const }) } },
});

const backward = (g: Resized): OpCase => ({
  name: g.name,
  attributes: g.attributes,
  inputs: { dy: { shape: g.y, fill: uniform(-1, 1), ...g.to } },
  outputs: { dx: { shape: g.x, ...g.from, ...(g.accumulate && { accumulate: true as const }) } },
});

/**
 * The axis as a dense matrix [outputs, extent]. Bilinear weights are the values at the rows of a hat of
 * width 1 around the place, which is held within the volume, unlike the kernels' two taps.
 */
function matrix(extent: number, outputs: number, mode: number): number[][] {
  return Array.from({ length: outputs }, (_, p) => {
    if (mode === 0) {
      // The last row whose share of the output has begun.
      const rows = Array.from({ length: extent }, (_, h) => h);
      const taken = rows.findLast((h) => h * outputs <= p * extent);
      return rows.map((h) => (h === taken ? 1 : 0));
    }
    const place =
      mode === 2
        ? outputs === 1
          ? 0
          : (p * (extent - 1)) / (outputs - 1)
        : ((p + 0.5) * extent) / outputs - 0.5;
    const held = Math.min(Math.max(place, 0), extent - 1);
    return Array.from({ length: extent }, (_, h) => Math.max(0, 1 - Math.abs(held - h)));
  });
}

/** Calls f(x index, y index, weight) for what is not zero. */
function walk(
  x: readonly number[],
  y: readonly number[],
  mode: number,
  f: (i: number, j: number, weight: number) => void,
): void {
  const rows = matrix(x[1]!, y[1]!, mode);
  const columns = matrix(x[2]!, y[2]!, mode);
  for (let n = 0; n < x[0]!; ++n)
    rows.forEach((row, p) =>
      row.forEach((down, h) =>
        columns.forEach((column, q) =>
          column.forEach((across, w) => {
            if (down * across === 0) return;
            for (let c = 0; c < x[3]!; ++c)
              f(at4(x)(n, h, w, c), at4(y)(n, p, q, c), down * across);
          }),
        ),
      ),
    );
}

const [nearest, bilinear] = [cases[0]!, cases[10]!];

export default [
  {
    op: 'resize2d',
    cases: [
      ...cases.map((g) => forward(g)),
      ...[nearest, bilinear].map((g) => ({
        ...forward(g, { 0: NaN, 30: Infinity }),
        name: `${g.name} NaN passes on`,
        noGradient: 'not finite',
      })),
    ],
    reference: ({ x }: Arrays, c) => {
      const { shape } = c.outputs.y!;
      const y = new Float64Array(elements(shape));
      walk(c.inputs.x!.shape, shape, Number(c.attributes.mode), (i, j, weight) => {
        y[j]! += weight * x![i]!;
      });
      return { y };
    },
  },
  {
    op: 'resize2dBackward',
    cases: cases.map(backward),
    reference: ({ dy }: Arrays, c) => {
      const { shape } = c.outputs.dx!;
      const dx = new Float64Array(elements(shape));
      walk(shape, c.inputs.dy!.shape, Number(c.attributes.mode), (i, j, weight) => {
        dx[i]! += weight * dy![j]!;
      });
      return { dx };
    },
  },
] satisfies FamilyCases;
