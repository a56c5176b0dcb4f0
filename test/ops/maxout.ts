import {
  distinct,
  elements,
  range,
  uniform,
  values,
  type Arrays,
  type FamilyCases,
  type Numbers,
  type OpCase,
  type Range,
  type Recipe,
} from './cases.js';

interface Grouping {
  name: string;
  pieces: number;
  /** Of y. */
  shape: readonly number[];
  /** Where x and y lie within wider volumes. */
  from?: Range;
  to?: Range;
  accumulate?: true;
}

const groupings: readonly Grouping[] = [
  { name: 'a vector', pieces: 2, shape: [1, 3] },
  { name: 'one channel', pieces: 2, shape: [1, 1, 1, 1] },
  { name: 'a matrix', pieces: 3, shape: [5, 7] },
  { name: 'pairs of four', pieces: 2, shape: [2, 3, 3, 4] },
  { name: 'pairs of eight', pieces: 2, shape: [2, 3, 5, 8] },
  { name: 'pairs of 17', pieces: 2, shape: [2, 5, 3, 17] },
  { name: 'threes of four', pieces: 3, shape: [3, 4, 4, 4] },
  { name: 'threes of 16', pieces: 3, shape: [1, 7, 3, 16] },
  { name: 'threes of 5', pieces: 3, shape: [2, 3, 7, 5] },
  { name: 'fours of four', pieces: 4, shape: [2, 5, 5, 4] },
  { name: 'fours of 6', pieces: 4, shape: [2, 5, 3, 6] },
  { name: 'fours of 9', pieces: 4, shape: [1, 5, 3, 9] },
  { name: 'fives', pieces: 5, shape: [2, 3, 3, 8] },
  { name: 'sevens', pieces: 7, shape: [13, 11] },
  { name: 'sixteens', pieces: 16, shape: [2, 2, 3, 3] },
  { name: '256 pieces', pieces: 256, shape: [3, 2] },
  { name: 'several pieces of work', pieces: 2, shape: [2, 41, 37, 4] },
  { name: 'several pieces of threes', pieces: 3, shape: [1, 61, 53, 3] },
  { name: 'x is a range', pieces: 2, shape: [2, 3, 3, 4], from: range(24, 8) },
  { name: 'x is an odd range', pieces: 3, shape: [2, 3, 3, 5], from: range(18, 1) },
  { name: 'y is a range', pieces: 2, shape: [2, 3, 3, 6], to: range(9, 2) },
  {
    ...{ name: 'both are ranges', pieces: 4, shape: [2, 5, 3, 8] },
    ...{ from: range(48, 16), to: range(16, 8) },
  },
  { name: 'added', pieces: 2, shape: [2, 5, 3, 4], accumulate: true },
  {
    ...{ name: 'added to ranges', pieces: 5, shape: [2, 3, 3, 3], accumulate: true },
    ...{ from: range(17, 2), to: range(4, 1) },
  },
];

const wide = ({ shape, pieces }: Grouping): number[] => [
  ...shape.slice(0, -1),
  shape.at(-1)! * pieces,
];

/** The largest of each group and its place, by search: the first NaN, or the first that equals it. */
function winners(x: Numbers, pieces: number): { y: Float64Array; switches: Float64Array } {
  const y = new Float64Array(x.length / pieces);
  const switches = new Float64Array(y.length);
  for (let j = 0; j < y.length; ++j) {
    const group = Array.from({ length: pieces }, (_, i) => x[j * pieces + i]!);
    const nan = group.findIndex(Number.isNaN);
    switches[j] = nan >= 0 ? nan : group.indexOf(Math.max(...group));
    y[j] = group[switches[j]!]!;
  }
  return { y, switches };
}

const forward = (g: Grouping, fill: Recipe = distinct(), switches = true): OpCase => ({
  name: `${g.name}${switches ? '' : ' without switches'}`,
  attributes: { pieces: g.pieces },
  inputs: { x: { shape: wide(g), fill, ...g.from } },
  outputs: {
    y: { shape: g.shape, ...g.to, ...(g.accumulate && !switches && { accumulate: true }) },
    ...(switches && { switches: { shape: g.shape, dtype: 'uint8' } }),
  },
});

const backward = (g: Grouping, fill: Recipe = distinct()): OpCase => ({
  name: g.name,
  attributes: { pieces: g.pieces },
  inputs: {
    x: { shape: wide(g), fill },
    switches: {
      shape: g.shape,
      dtype: 'uint8',
      fill: ({ x }) => winners(x!, g.pieces).switches,
    },
    dy: { shape: g.shape, fill: uniform(-1, 1), ...g.to },
  },
  outputs: { dx: { shape: wide(g), ...g.from, ...(g.accumulate && { accumulate: true }) } },
});

const special: Grouping = { name: 'equals, NaN and infinities', pieces: 3, shape: [2, 3] };
const specials = values(
  ...[1, 1, 0, NaN, 2, NaN, 5, NaN, Infinity],
  ...[-Infinity, -Infinity, -Infinity, 0, -0, 0, Infinity, 3, Infinity],
);
const ties = { noTorch: 'PyTorch leaves open which of equals it takes' };
const noSwitches = { noGradient: 'the gradient needs switches' };

export default [
  {
    op: 'maxout',
    cases: [
      ...groupings.map((g) => forward(g)),
      ...groupings
        .filter((_, i) => i % 5 === 0 || i > 20)
        .map((g) => ({ ...forward(g, distinct(), false), ...noSwitches })),
      { ...forward(special, specials), ...ties, noGradient: 'not finite' },
    ],
    reference: ({ x }: Arrays, c) => {
      const { y, switches } = winners(x!, Number(c.attributes.pieces));
      return { y, ...(c.outputs.switches ? { switches } : {}) };
    },
  },
  {
    op: 'maxoutBackward',
    cases: [...groupings.map((g) => backward(g)), { ...backward(special, specials), ...ties }],
    reference: ({ switches, dy }: Arrays, c) => {
      const pieces = Number(c.attributes.pieces);
      const dx = new Float64Array(elements(c.outputs.dx!.shape));
      for (let j = 0; j < dy!.length; ++j) dx[j * pieces + switches![j]!] = dy![j]!;
      return { dx };
    },
  },
] satisfies FamilyCases;
