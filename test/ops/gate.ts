import { range, uniform, type Arrays, type FamilyCases, type OpCase, type Range } from './cases.js';

interface Gating {
  name: string;
  shape: readonly [number, number, number, number];
  /** Where x and y, and where the gate lie within wider volumes. */
  from?: Range;
  to?: Range;
  gate?: Range;
  accumulate?: true;
}

const gatings: readonly Gating[] = [
  { name: 'a pixel', shape: [1, 1, 1, 1] },
  { name: 'one channel', shape: [2, 5, 3, 1] },
  { name: 'three channels', shape: [3, 5, 7, 3] },
  { name: 'four channels', shape: [2, 3, 3, 4] },
  { name: 'eight channels', shape: [2, 4, 4, 8] },
  { name: '16 channels', shape: [5, 3, 2, 16] },
  { name: '17 channels', shape: [2, 3, 5, 17] },
  { name: '33 channels', shape: [1, 7, 11, 33] },
  { name: '130 channels', shape: [2, 3, 3, 130] },
  { name: '600 channels', shape: [2, 2, 3, 600] },
  { name: 'many images of a pixel', shape: [37, 1, 1, 12] },
  { name: 'a long row', shape: [2, 1, 97, 6] },
  { name: 'a column', shape: [2, 89, 1, 5] },
  { name: 'several pieces', shape: [2, 31, 29, 23] },
  { name: 'several pieces of few channels', shape: [2, 61, 67, 3] },
  { name: 'x is a range', shape: [2, 3, 3, 5], from: range(16, 5) },
  { name: 'y is a range', shape: [2, 3, 3, 5], to: range(9, 4) },
  { name: 'the gate is a range', shape: [3, 3, 3, 8], gate: range(20, 3) },
  { name: 'an aligned range', shape: [2, 4, 3, 8], from: range(24, 8), gate: range(16, 8) },
  {
    ...{ name: 'all are ranges', shape: [2, 5, 3, 17] },
    ...{ from: range(33, 16), to: range(18, 0), gate: range(19, 2) },
  },
  { name: 'added', shape: [2, 5, 3, 3], accumulate: true },
  {
    ...{ name: 'added to ranges', shape: [2, 5, 3, 4], accumulate: true },
    ...{ from: range(5, 1), to: range(8, 4), gate: range(8, 4) },
  },
];

const gateShape = ({ shape: [n, , , c] }: Gating): number[] => [n, 1, 1, c];

const forward = (g: Gating, put?: Record<number, number>): OpCase => ({
  name: g.name + (put ? ' with NaN and infinities' : ''),
  attributes: {},
  inputs: {
    x: { shape: g.shape, fill: uniform(-1, 1, put), ...g.from },
    gate: { shape: gateShape(g), fill: uniform(-1, 1), ...g.gate },
  },
  outputs: { y: { shape: g.shape, ...g.to, ...(g.accumulate && { accumulate: true }) } },
});

const backward = (g: Gating, wanted: '' | ' dx' | ' dgate' = ''): OpCase => {
  const c = forward(g);
  const how = g.accumulate && { accumulate: true as const };
  return {
    ...c,
    name: g.name + (wanted && `,${wanted} alone`),
    inputs: { ...c.inputs, dy: { shape: g.shape, fill: uniform(-1, 1), ...g.from } },
    outputs: {
      ...(wanted !== ' dgate' && { dx: c.outputs.y! }),
      ...(wanted !== ' dx' && { dgate: { shape: gateShape(g), ...g.gate, ...how } }),
    },
  };
};

export default [
  {
    op: 'gate',
    cases: [
      ...gatings.map((g) => forward(g)),
      {
        ...forward(gatings[2]!, { 0: NaN, 10: Infinity, 40: -Infinity }),
        noGradient: 'not finite',
      },
    ],
    reference: ({ x, gate }: Arrays, c) => {
      const [, h, w, channels] = c.inputs.x!.shape as Gating['shape'];
      const y = new Float64Array(x!.length);
      for (let i = 0; i < gate!.length; ++i)
        for (let pixel = 0; pixel < h * w; ++pixel) {
          const at = (Math.floor(i / channels) * h * w + pixel) * channels + (i % channels);
          y[at] = x![at]! * gate![i]!;
        }
      return { y };
    },
  },
  {
    op: 'gateBackward',
    cases: [
      ...gatings.map((g) => backward(g)),
      ...gatings.slice(2, 6).map((g) => backward(g, ' dx')),
      ...gatings.slice(5, 9).map((g) => backward(g, ' dgate')),
    ],
    reference: ({ x, gate, dy }: Arrays, c) => {
      const [, h, w, channels] = c.inputs.x!.shape as Gating['shape'];
      const dx = new Float64Array(x!.length);
      const dgate = new Float64Array(gate!.length);
      for (let i = 0; i < gate!.length; ++i)
        for (let pixel = 0; pixel < h * w; ++pixel) {
          const at = (Math.floor(i / channels) * h * w + pixel) * channels + (i % channels);
          dx[at] = dy![at]! * gate![i]!;
          dgate[i]! += dy![at]! * x![at]!;
        }
      return { ...(c.outputs.dx ? { dx } : {}), ...(c.outputs.dgate ? { dgate } : {}) };
    },
  },
] satisfies FamilyCases;
