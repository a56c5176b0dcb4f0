import {
  uniform,
  values,
  type Arrays,
  type FamilyCases,
  type Input,
  type Numbers,
  type OpCase,
  type Recipe,
} from './cases.js';
import { volumes, type Volume } from './volumes.js';

/** The error function by a series of positive terms. */
function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); ++n) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return ((2 / Math.sqrt(Math.PI)) * sum) / Math.exp(x * x);
}
const sigmoid = (x: number): number => (1 + Math.tanh(x / 2)) / 2;
const normal = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;
const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const inner = (x: number): number => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
const clamp = (x: number, high: number): number => (x > high ? high : x < 0 ? 0 : x); // NaN stays
/** Zero times infinity is the limit of an exponential's decay. */
const times = (x: number, factor: number): number => (factor === 0 ? 0 : x * factor);

interface Kind {
  name: string;
  kind: number;
  alpha?: number;
  threshold?: number;
  /** The gradient is given y. */
  output?: true;
  fill?: Recipe;
  f(x: number): number;
  slope(x: number): number;
}

// Slopes as functions of x throughout, though the kernels have some of y.
const kinds: readonly Kind[] = [
  {
    ...{ name: 'leakyRelu', kind: 0, alpha: Math.fround(0.01), output: true },
    f: (x) => (x > 0 ? x : Math.fround(0.01) * x),
    slope: (x) => (x > 0 ? 1 : Math.fround(0.01)),
  },
  {
    ...{ name: 'leakyRelu of slope 0', kind: 0, alpha: 0, output: true },
    f: (x) => (x < 0 ? 0 : x),
    slope: (x) => (x > 0 ? 1 : 0),
  },
  {
    ...{ name: 'elu', kind: 1, alpha: 1, output: true },
    f: (x) => (x > 0 ? x : Math.expm1(x)),
    slope: (x) => (x > 0 ? 1 : Math.exp(x)),
  },
  {
    ...{ name: 'elu of alpha 0.75', kind: 1, alpha: 0.75, output: true },
    f: (x) => (x > 0 ? x : 0.75 * Math.expm1(x)),
    slope: (x) => (x > 0 ? 1 : 0.75 * Math.exp(x)),
  },
  {
    ...{ name: 'sigmoid', kind: 2, output: true },
    f: sigmoid,
    slope: (x) => 1 / (4 * Math.cosh(x / 2) ** 2),
  },
  {
    ...{ name: 'tanh', kind: 3, output: true, fill: uniform(-3, 3) },
    f: Math.tanh,
    slope: (x) => 1 / Math.cosh(x) ** 2,
  },
  {
    ...{ name: 'softplus', kind: 4, alpha: 1, threshold: 20, fill: uniform(-30, 30) },
    f: (x) => (x > 20 ? x : Math.log1p(Math.exp(x))),
    slope: (x) => (x > 20 ? 1 : sigmoid(x)),
  },
  {
    ...{ name: 'softplus of beta 2.5, threshold 3', kind: 4, alpha: 2.5, threshold: 3 },
    f: (x) => (2.5 * x > 3 ? x : Math.log1p(Math.exp(2.5 * x)) / 2.5),
    slope: (x) => (2.5 * x > 3 ? 1 : sigmoid(2.5 * x)),
  },
  {
    ...{ name: 'silu', kind: 5 },
    f: (x) => times(x, sigmoid(x)),
    slope: (x) => sigmoid(x) + times(x, 1 / (4 * Math.cosh(x / 2) ** 2)),
  },
  {
    ...{ name: 'gelu', kind: 6 },
    f: (x) => times(x, normal(x)),
    slope: (x) => normal(x) + times(x, density(x)),
  },
  {
    ...{ name: 'gelu with tanh', kind: 7 },
    f: (x) => times(x, sigmoid(2 * inner(x))),
    slope: (x) => {
      const step = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
      return sigmoid(2 * inner(x)) + times(x, times(step, 0.5 / Math.cosh(inner(x)) ** 2));
    },
  },
  {
    ...{ name: 'hardSwish', kind: 8 },
    f: (x) => times(x, clamp(x + 3, 6) / 6),
    slope: (x) => (x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6),
  },
  {
    ...{ name: 'hardSigmoid', kind: 9 },
    f: (x) => clamp(x + 3, 6) / 6,
    slope: (x) => (Math.abs(x) < 3 ? 1 / 6 : 0),
  },
  {
    ...{ name: 'relu6', kind: 10, output: true, fill: uniform(-4, 10) },
    f: (x) => clamp(x, 6),
    slope: (x) => (x > 0 && x < 6 ? 1 : 0),
  },
];
const attributesOf = ({ kind, alpha = 0, threshold = 0 }: Kind): OpCase['attributes'] => ({
  ...{ kind, alpha, threshold },
});
const of = ({ attributes }: OpCase): Kind =>
  kinds.find(({ kind, alpha = 0 }) => kind === attributes.kind && alpha === attributes.alpha)!;
const standard = uniform(-6, 6);

const forward = (k: Kind, v: Volume, fill = k.fill ?? standard): OpCase => ({
  name: `${k.name} ${v.name}`,
  attributes: attributesOf(k),
  inputs: { x: { shape: v.shape, fill, ...v.from } },
  outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
});

/** Where the gradient is given y, the reference goes back to its x. */
const backward = (k: Kind, v: Volume, fill = k.fill ?? standard): OpCase => {
  const x: Input = { shape: v.shape, fill };
  return {
    name: `${k.name} ${v.name}`,
    attributes: attributesOf(k),
    inputs: {
      ...(k.output
        ? {
            x0: x,
            y: { ...x, fill: ({ x0 }: Arrays) => map(x0!, k.f), ...v.from },
          }
        : { x: { ...x, ...v.from } }),
      dy: { shape: v.shape, fill: uniform(-1, 1), ...v.from },
    },
    outputs: { dx: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
  };
};

/** An x of which the kind makes y; where there are many, one of the same slope. */
function inverse({ kind, alpha = 0 }: Kind, y: number): number {
  if (kind === 1) return y > 0 ? y : Math.log1p(y / alpha);
  if (kind === 2) return Math.log(y / (1 - y));
  if (kind === 3) return Math.atanh(y);
  return y;
}

const map = (x: Numbers, f: (value: number, i: number) => number): Float64Array =>
  Float64Array.from(x, f);

// Every kind meets odd channels, channel ranges and an addition; the other volumes take turns.
const always = new Set(['2x3x5x17', '1x5x3x17 both are ranges', '2x5x3x3 added to a range']);
const table = (make: (kind: Kind, v: Volume) => OpCase): OpCase[] => [
  ...kinds.flatMap((k) => volumes.filter((v) => always.has(v.name)).map((v) => make(k, v))),
  ...volumes.filter((v) => !always.has(v.name)).map((v, i) => make(kinds[i % kinds.length]!, v)),
];

const special: Volume = { name: 'special values', shape: [12] };
const specials = values(NaN, Infinity, -Infinity, 0, 1e-3, -1e-3, 40, -40, 9, -9, 100, -100);
const limits = {
  noTorch: 'PyTorch has NaN for infinities where there are limits',
  noGradient: 'not finite',
};
const kinks: Volume = { name: 'at the kinks', shape: [5] };
const kinked = values(-3, 0, 3, 6, 1);

export default [
  {
    op: 'activation',
    cases: [
      ...table(forward),
      ...kinds.map((k) => ({ ...forward(k, special, specials), ...limits })),
      ...kinds.map((k) => ({ ...forward(k, kinks, kinked), noGradient: 'a kink' })),
    ],
    reference: ({ x }: Arrays, c) => ({ y: map(x!, of(c).f) }),
  },
  {
    op: 'activationBackward',
    cases: [
      ...table(backward),
      ...kinds.map((k) => backward(k, kinks, kinked)),
      ...kinds.map((k) => ({
        ...backward(
          k,
          { name: 'infinities', shape: [6] },
          values(Infinity, -Infinity, 1500, -1500, 2000, -2000),
        ),
        ...limits,
      })),
      ...kinds
        .filter(({ output, kind }) => !output && kind < 8)
        .map((k) => ({
          ...backward(k, { name: 'NaN', shape: [3] }, values(1, NaN, -1)),
          noTorch: 'PyTorch has numbers for some',
        })),
    ],
    reference: ({ x, y, dy }: Arrays, c) => ({
      dx: map(dy!, (g, i) => g * of(c).slope(x?.[i] ?? inverse(of(c), y![i]!))),
    }),
  },
] satisfies FamilyCases;
