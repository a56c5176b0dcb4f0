import {
  elements,
  f32,
  range,
  uniform,
  type Arrays,
  type FamilyCases,
  type OpCase,
  type Range,
} from './cases.js';
import { at4, type Sides } from './geometry.js';

const modes = ['constant', 'reflect', 'replicate'] as const;

interface Padded {
  name: string;
  x: readonly [number, number, number, number];
  y: readonly [number, number, number, number];
  attributes: Record<string, number>;
  from?: Range | undefined;
  to?: Range | undefined;
  accumulate: boolean;
}

interface Options {
  mode?: (typeof modes)[number];
  value?: number;
  from?: Range;
  to?: Range;
  accumulate?: boolean;
  note?: string;
}

function padded(
  x: readonly [number, number, number, number],
  padding: Sides,
  { mode = 'constant', value = 0, from, to, accumulate = false, note }: Options = {},
): Padded {
  const [n, h, w, c] = x;
  const [padTop, padLeft, padBottom, padRight] = padding;
  return {
    name: [x.join('x'), mode, padding.join(','), value && `of ${value}`, note]
      .filter(Boolean)
      .join(' '),
    x,
    y: [n, h + padTop + padBottom, w + padLeft + padRight, c],
    attributes: {
      padTop,
      padLeft,
      padBottom,
      padRight,
      mode: modes.indexOf(mode),
      value: f32(value),
    },
    from,
    to,
    accumulate,
  };
}

const cases: readonly Padded[] = [
  padded([2, 5, 4, 3], [1, 2, 0, 1]),
  padded([1, 1, 1, 1], [0, 0, 0, 0], { note: 'a copy' }),
  padded([1, 1, 1, 1], [3, 2, 1, 4], { value: 0.5, note: 'one pixel' }),
  padded([2, 7, 3, 16], [1, 1, 1, 1], { value: -1.5, note: 'whole packets' }),
  padded([1, 3, 5, 17], [2, 0, 0, 3], { value: 0.1, note: 'primes' }),
  padded([2, 6, 7, 5], [-1, -2, -3, -1], { note: 'cropped' }),
  padded([1, 5, 5, 8], [-2, -2, -2, -2], { note: 'one pixel left' }),
  padded([2, 4, 6, 3], [2, -1, -2, 3], { value: 0.25, note: 'cropped and padded' }),
  padded([1, 3, 4, 2], [-2, 3, 4, -1], { note: 'cropped and padded' }),
  padded([1, 2, 3, 2], [-2, -3, 3, 4], { value: 2, note: 'nothing of the volume' }),
  padded([2, 5, 4, 3], [1, 2, 3, 1], { mode: 'reflect' }),
  padded([1, 5, 7, 4], [4, 6, 4, 6], { mode: 'reflect', note: 'as far as there are rows' }),
  padded([1, 2, 3, 9], [1, 2, 1, 2], { mode: 'reflect', note: 'two rows' }),
  padded([3, 1, 1, 5], [0, 0, 0, 0], { mode: 'reflect', note: 'one pixel' }),
  padded([2, 11, 7, 12], [0, 3, 5, 0], { mode: 'reflect', note: 'primes' }),
  padded([1, 8, 4, 6], [0, 0, 0, 3], { mode: 'reflect', note: 'one side' }),
  padded([2, 5, 4, 3], [1, 2, 3, 1], { mode: 'replicate' }),
  padded([2, 1, 1, 5], [3, 1, 2, 4], { mode: 'replicate', note: 'one pixel' }),
  padded([1, 3, 2, 33], [7, 0, 0, 5], { mode: 'replicate', note: 'more than the volume' }),
  padded([1, 7, 5, 8], [1, 1, 1, 1], { mode: 'replicate', note: 'whole packets' }),
  padded([2, 40, 37, 7], [2, 3, 3, 2], { mode: 'reflect', note: 'several pieces' }),
  padded([2, 40, 37, 7], [3, 2, 2, 3], { value: 1, note: 'several pieces' }),
  padded([2, 4, 3, 4], [1, 1, 1, 1], { from: range(8, 4), note: 'input is a range' }),
  padded([2, 4, 3, 4], [1, 1, 2, 2], {
    mode: 'replicate',
    to: range(9, 3),
    note: 'output is a range',
  }),
  padded([1, 4, 5, 8], [2, 1, 1, 2], {
    mode: 'reflect',
    from: range(16, 8),
    to: range(24, 8),
    note: 'both are ranges',
  }),
  padded([2, 3, 4, 5], [1, 1, 2, 0], { accumulate: true, value: 0.5, note: 'added' }),
  padded([2, 3, 4, 5], [1, 3, 2, 0], { accumulate: true, mode: 'reflect', note: 'added' }),
  padded([2, 3, 4, 4], [1, 3, 2, 0], {
    accumulate: true,
    mode: 'replicate',
    from: range(12, 4),
    to: range(12, 8),
    note: 'added to a range',
  }),
];

const forward = (g: Padded, put?: Record<number, number>): OpCase => ({
  name: g.name,
  attributes: g.attributes,
  inputs: { x: { shape: g.x, fill: uniform(-1, 1, put), ...g.from } },
  outputs: { y: { shape: g.y, ...g.to, ...(g.accumulate && { accumulate: true as const }) } },
});

const backward = (g: Padded): OpCase => ({
  name: g.name,
  attributes: g.attributes,
  inputs: { dy: { shape: g.y, fill: uniform(-1, 1), ...g.to } },
  outputs: { dx: { shape: g.x, ...g.from, ...(g.accumulate && { accumulate: true as const }) } },
});

/**
 * The axis as a list that is grown row by row from the volume outwards, unlike the kernels' arithmetic: the
 * source of each output, -1 for none.
 */
function grown(extent: number, before: number, after: number, mode: number): number[] {
  let axis = Array.from({ length: extent }, (_, i) => i);
  const next = (steps: number, rows: number[]): number => {
    if (mode === 0) return -1;
    return mode === 2 ? rows[0]! : rows[steps]!;
  };
  const own = [...axis];
  const turned = [...own].reverse();
  for (let i = 1; i <= after; ++i) axis.push(next(i, turned));
  for (let i = 1; i <= before; ++i) axis.unshift(next(i, own));
  if (before < 0) axis = axis.slice(-before);
  return after < 0 ? axis.slice(0, after) : axis;
}

/** Calls f(y index, x index), -1 where y takes the value. */
function walk(
  x: readonly number[],
  y: readonly number[],
  a: OpCase['attributes'],
  f: (j: number, i: number) => void,
): void {
  const rows = grown(x[1]!, Number(a.padTop), Number(a.padBottom), Number(a.mode));
  const columns = grown(x[2]!, Number(a.padLeft), Number(a.padRight), Number(a.mode));
  for (let n = 0; n < x[0]!; ++n)
    rows.forEach((h, p) =>
      columns.forEach((w, q) => {
        for (let c = 0; c < x[3]!; ++c)
          f(at4(y)(n, p, q, c), h < 0 || w < 0 ? -1 : at4(x)(n, h, w, c));
      }),
    );
}

export default [
  {
    op: 'pad2d',
    cases: [
      ...cases.map((g) => forward(g)),
      {
        ...forward(cases[10]!, { 0: NaN, 20: Infinity }),
        name: `${cases[10]!.name} NaN passes on`,
        noGradient: 'not finite',
      },
    ],
    reference: ({ x }: Arrays, c) => {
      const { shape } = c.outputs.y!;
      const y = new Float64Array(elements(shape));
      walk(c.inputs.x!.shape, shape, c.attributes, (j, i) => {
        y[j] = i < 0 ? Number(c.attributes.value) : x![i]!;
      });
      return { y };
    },
  },
  {
    op: 'pad2dBackward',
    cases: cases.map(backward),
    reference: ({ dy }: Arrays, c) => {
      const { shape } = c.outputs.dx!;
      const dx = new Float64Array(elements(shape));
      walk(shape, c.inputs.dy!.shape, c.attributes, (j, i) => {
        if (i >= 0) dx[i]! += dy![j]!;
      });
      return { dx };
    },
  },
] satisfies FamilyCases;
