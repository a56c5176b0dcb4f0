import {
  away,
  uniform,
  type Arrays,
  type FamilyCases,
  type Numbers,
  type OpCase,
} from './cases.js';
import { volumes } from './volumes.js';

const relu = (x: number): number => (x < 0 ? 0 : x); // NaN stays
const map = (x: Numbers, f: (value: number, i: number) => number): Float64Array =>
  Float64Array.from(x, f);

const forward = (c: (typeof volumes)[number], put?: Record<number, number>): OpCase => ({
  name: c.name,
  attributes: {},
  inputs: { x: { shape: c.shape, fill: { ...away(), ...(put && { put }) }, ...c.from } },
  outputs: { y: { shape: c.shape, ...c.to } },
});

const backward = (c: (typeof volumes)[number], put?: Record<number, number>): OpCase => ({
  name: c.name,
  attributes: {},
  inputs: {
    x: { shape: c.shape, fill: { ...away(), ...(put && { put }) } },
    y: { shape: c.shape, fill: (given) => map(given.x!, relu), ...c.from },
    dy: { shape: c.shape, fill: uniform(-1, 1), ...c.from },
  },
  outputs: { dx: { shape: c.shape, ...c.to, ...(c.accumulate && { accumulate: true }) } },
});

export default [
  {
    op: 'relu',
    cases: [
      ...volumes.filter((v) => !v.accumulate).map((v) => forward(v)),
      {
        ...forward(
          { name: 'NaN and infinities pass on', shape: [1, 2, 2, 3] },
          { 0: NaN, 4: Infinity, 7: -Infinity, 11: NaN },
        ),
        noGradient: 'not finite',
      },
      { ...forward({ name: 'zero', shape: [5] }, { 1: 0, 3: -0 }), noGradient: 'at the kink' },
    ],
    reference: ({ x }: Arrays) => ({ y: map(x!, relu) }),
  },
  {
    op: 'reluBackward',
    cases: [
      ...volumes.map((v) => backward(v)),
      backward({ name: 'nothing flows at zero', shape: [6] }, { 1: 0, 3: -0 }),
    ],
    reference: ({ y, dy }: Arrays) => ({ dx: map(dy!, (g, i) => (y![i]! > 0 ? g : 0)) }),
  },
] satisfies FamilyCases;
