import {
  away,
  range,
  uniform,
  values,
  type Arrays,
  type FamilyCases,
  type Numbers,
  type OpCase,
  type Recipe,
} from './cases.js';
import { volumes, type Volume } from './volumes.js';

const channelled: readonly Volume[] = [
  ...volumes.filter(({ shape }) => shape.length > 1),
  { name: '3x5x600 several blocks of channels', shape: [3, 5, 600] },
  { name: '2x3x600 is a range', shape: [2, 3, 600], from: range(604, 4), to: range(601, 1) },
  { name: '40x7x7x20 several parts', shape: [40, 7, 7, 20] },
];
const slopes: Recipe = uniform(-0.5, 0.7);
const lengthOf = ({ shape }: Volume, shared: boolean): number => (shared ? 1 : shape.at(-1)!);

const forward = (v: Volume, shared: boolean, fill: Recipe = away()): OpCase => ({
  name: `${v.name}${shared ? ' shared' : ''}`,
  attributes: {},
  inputs: {
    x: { shape: v.shape, fill, ...v.from },
    w: { shape: [lengthOf(v, shared)], fill: slopes },
  },
  outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
});

type Wanted = 'both' | 'dx' | 'dw' | 'dw added';
const backward = (
  v: Volume,
  shared: boolean,
  wanted: Wanted = 'both',
  fill: Recipe = away(),
): OpCase => {
  const c = forward(v, shared, fill);
  const dw = { shape: [lengthOf(v, shared)] };
  return {
    ...c,
    name: `${c.name}${wanted === 'both' ? '' : ` ${wanted} alone`}`,
    inputs: { ...c.inputs, dy: { shape: v.shape, fill: uniform(-1, 1), ...v.from } },
    outputs: {
      ...(wanted === 'dx' || wanted === 'both' ? { dx: c.outputs.y! } : {}),
      ...(wanted === 'dw added'
        ? { dw: { ...dw, accumulate: true } }
        : wanted === 'dx'
          ? {}
          : { dw }),
    },
  };
};

/** The paper's form: max(0, x) + w min(0, x). */
const rectified = (x: number, w: number): number =>
  Number.isNaN(x) ? x : Math.max(0, x) + (x < 0 ? w * Math.min(0, x) : 0);

const special: Volume = { name: 'NaN and infinities', shape: [2, 3] };
const specials = values(NaN, Infinity, -Infinity, 0, 1, -1);
const kink: Volume = { name: 'zero', shape: [2, 2] };

export default [
  {
    op: 'prelu',
    cases: [
      ...channelled.flatMap((v, i) => [
        forward(v, false),
        ...(i % 3 === 0 ? [forward(v, true)] : []),
      ]),
      { ...forward(special, false, specials), noGradient: 'not finite' },
      { ...forward(kink, false, values(0, -0, 1, -1)), noGradient: 'at the kink' },
    ],
    reference: ({ x, w }: Arrays) => ({
      y: Float64Array.from(x!, (value, i) => rectified(value, w![i % w!.length]!)),
    }),
  },
  {
    op: 'preluBackward',
    cases: [
      ...channelled.flatMap((v, i) => [
        backward(v, i % 4 === 3),
        ...(i % 5 === 0 ? [backward(v, false, 'dx'), backward(v, true, 'dw')] : []),
        ...(i % 5 === 2 ? [backward(v, false, 'dw added'), backward(v, true, 'dw added')] : []),
      ]),
      backward(kink, false, 'both', values(0, -0, 1, -1)),
    ],
    reference: ({ x, w, dy }: Arrays, c) => {
      const channels = c.inputs.x!.shape.at(-1)!;
      const of = (numbers: Numbers, channel: number): number =>
        numbers[numbers.length === 1 ? 0 : channel]!;
      const dx = new Float64Array(x!.length);
      const dw = new Float64Array(w!.length);
      for (let channel = 0; channel < channels; ++channel) {
        let sum = 0;
        for (let i = channel; i < x!.length; i += channels) {
          const active = x![i]! > 0 ? 1 : 0;
          dx[i] = (active + (1 - active) * of(w!, channel)) * dy![i]!;
          sum += (1 - active) * x![i]! * dy![i]!;
        }
        dw[w!.length === 1 ? 0 : channel]! += sum;
      }
      return {
        ...(c.outputs.dx ? { dx } : {}),
        ...(c.outputs.dw ? { dw } : {}),
      };
    },
  },
] satisfies FamilyCases;
