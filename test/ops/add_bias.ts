import { away, uniform, type Arrays, type FamilyCases, type OpCase } from './cases.js';
import { volumes, type Volume } from './volumes.js';

const shifted = (v: Volume, put?: Record<number, number>): OpCase => ({
  name: v.name + (put ? ' NaN passes on' : ''),
  attributes: { reserved: 0 },
  inputs: {
    x: { shape: v.shape, fill: uniform(-1, 1, put), ...v.from },
    b: { shape: [v.shape[3]!], fill: away() },
  },
  outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true as const }) } },
});

const more = [
  [2, 1, 3, 128],
  [1, 3, 2, 130],
  [4, 1, 1, 64],
  [1, 5, 5, 2],
  [3, 2, 2, 24],
  [2, 2, 7, 8],
];
const all: readonly Volume[] = [
  ...volumes.filter(({ shape }) => shape.length === 4),
  ...more.map((shape) => ({ name: shape.join('x'), shape })),
];

export default [
  {
    op: 'addBias',
    cases: [
      ...all.map((v) => shifted(v)),
      { ...shifted(all[3]!, { 1: NaN, 5: -Infinity }), noGradient: 'not finite' },
    ],
    reference: ({ x, b }: Arrays) => ({
      y: Float64Array.from({ length: x!.length }, (_, i) => x![i]! + b![i % b!.length]!),
    }),
  },
] satisfies FamilyCases;
