import {
  away,
  elements,
  f32,
  range,
  uniform,
  type Arrays,
  type FamilyCases,
  type Numbers,
  type OpCase,
  type Range,
} from './cases.js';

interface Batch {
  name: string;
  /** [n, C] or [n, H, W, C] */
  shape: readonly number[];
  groups: number;
  epsilon: number;
  low: number;
  high: number;
  from?: Range | undefined;
  to?: Range | undefined;
  accumulate: boolean;
}

interface Options {
  epsilon?: number;
  between?: readonly [number, number];
  from?: Range;
  to?: Range;
  accumulate?: boolean;
  note?: string;
}

const batch = (shape: readonly number[], groups: number, options: Options = {}): Batch => ({
  name: [shape.join('x'), `groups ${groups}`, options.note].filter(Boolean).join(' '),
  shape,
  groups,
  epsilon: f32(options.epsilon ?? 1e-5),
  low: options.between?.[0] ?? -1,
  high: options.between?.[1] ?? 1,
  from: options.from,
  to: options.to,
  accumulate: options.accumulate ?? false,
});

const batches: readonly Batch[] = [
  batch([2, 4, 4, 6], 2),
  batch([1, 2, 2, 1], 1, { epsilon: 0.1, note: 'four values' }),
  batch([2, 1, 1, 6], 3, { epsilon: 0.5, note: 'one pixel, two values a group' }),
  batch([1, 1, 2, 5], 5, { epsilon: 0.5, note: 'two values a group' }),
  batch([3, 12], 4, { epsilon: 0.1 }),
  batch([2, 1024], 8, { note: 'vectors' }),
  batch([7, 33], 1),
  batch([2, 5, 7, 16], 4),
  batch([2, 3, 5, 17], 17, { note: 'instance normalisation' }),
  batch([2, 3, 5, 17], 1, { note: 'layer normalisation' }),
  batch([1, 11, 13, 33], 11),
  batch([1, 7, 1, 10], 5),
  batch([3, 2, 3, 257], 1, { note: 'many channels' }),
  batch([1, 2, 3, 320], 32, { note: 'thirty-two groups' }),
  batch([2, 31, 37, 8], 2, { note: 'many pixels' }),
  batch([1, 41, 43, 4], 2, { note: 'a last part of an odd size' }),
  batch([2, 1, 5, 12], 3, { note: 'five pixels' }),
  batch([2, 8, 8, 6], 3, { between: [7, 9], note: 'off zero' }),
  batch([2, 6, 6, 6], 2, { between: [-1000, 1000], note: 'large' }),
  batch([2, 6, 6, 6], 3, { epsilon: 1, between: [0, 0.1], note: 'epsilon above the variance' }),
  batch([2, 4, 5, 3], 1, { from: range(8, 5), note: 'input is a range' }),
  batch([2, 4, 5, 16], 8, { to: range(33, 16), note: 'output is a range' }),
  batch([2, 5, 3, 18], 6, { from: range(19, 1), to: range(20, 2), note: 'both are ranges' }),
  batch([2, 4, 4, 6], 2, { accumulate: true, note: 'added' }),
  batch([2, 4, 4, 5], 1, { accumulate: true, from: range(9, 4), note: 'added to a range' }),
];

/**
 * Statistics from sums of squares lose their digits here, PyTorch's among them. Not for the gradient, whose
 * operand `groupMean` is a rounded one.
 */
const farFromZero: readonly Batch[] = [
  batch([2, 8, 8, 6], 2, { between: [99, 101], note: 'far from zero' }),
  batch([2, 9, 11, 17], 1, { between: [999, 1001], note: 'farther from zero' }),
];

const channels = (b: Batch): number => b.shape.at(-1)!;
const vector = (b: Batch) => ({ shape: [channels(b)] });
const statistics = (b: Batch) => ({ shape: [b.shape[0]!, b.groups] });
const x = (b: Batch) => ({ shape: b.shape, fill: uniform(b.low, b.high), ...b.from });
const gamma = (b: Batch) => ({ ...vector(b), fill: away(0.3, 1.5) });

/** Of which image and group each value is, and of which channel. */
function places(shape: readonly number[], groups: number) {
  const C = shape.at(-1)!;
  const perImage = elements(shape.slice(1));
  return {
    count: perImage / groups,
    set: (i: number): number =>
      Math.floor(i / perImage) * groups + Math.floor((i % C) / (C / groups)),
    channel: (i: number): number => i % C,
  };
}

/** Mean and variance by image and group, in two passes; sums of distances, exact where all values are equal. */
function moments(values: Numbers, shape: readonly number[], groups: number) {
  const { count, set } = places(shape, groups);
  const mean = new Float64Array(shape[0]! * groups);
  const variance = new Float64Array(mean.length);
  const first = new Float64Array(mean.length).fill(NaN);
  for (let i = 0; i < values.length; ++i)
    if (Number.isNaN(first[set(i)]!)) first[set(i)] = values[i]!;
  for (let i = 0; i < values.length; ++i) mean[set(i)]! += (values[i]! - first[set(i)]!) / count;
  first.forEach((value, i) => (mean[i]! += value));
  for (let i = 0; i < values.length; ++i)
    variance[set(i)]! += (values[i]! - mean[set(i)]!) ** 2 / count;
  return { mean, variance };
}

const forward = (b: Batch): OpCase => ({
  name: b.name,
  attributes: { groups: b.groups, epsilon: b.epsilon },
  inputs: { x: x(b), gamma: gamma(b), beta: { ...vector(b), fill: uniform(-1, 1) } },
  outputs: {
    y: { shape: b.shape, ...b.to, ...(b.accumulate && { accumulate: true }) },
    groupMean: statistics(b),
    groupVariance: statistics(b),
  },
  ...(farFromZero.includes(b) && {
    noTorch: 'PyTorch takes the variance from sums of squares',
  }),
});

const backward = (b: Batch, wanted: readonly string[] = ['dx', 'dgamma', 'dbeta']): OpCase => {
  const add = b.accumulate ? { accumulate: true as const } : {};
  const outputs: OpCase['outputs'] = {
    dx: { shape: b.shape, ...b.from, ...add },
    dgamma: { ...vector(b), ...add },
    dbeta: { ...vector(b), ...add },
  };
  return {
    name: b.name + (wanted.length < 3 ? ` ${wanted.join(' ')} alone` : ''),
    attributes: { groups: b.groups, epsilon: b.epsilon },
    inputs: {
      x: x(b),
      gamma: gamma(b),
      groupMean: { ...statistics(b), fill: (v) => moments(v.x!, b.shape, b.groups).mean },
      groupVariance: { ...statistics(b), fill: (v) => moments(v.x!, b.shape, b.groups).variance },
      dy: { shape: b.shape, fill: uniform(-1, 1), ...b.to },
    },
    outputs: Object.fromEntries(wanted.map((name) => [name, outputs[name]!])),
  };
};

export default [
  {
    op: 'groupNorm',
    cases: [...batches, ...farFromZero].map(forward),
    reference: ({ x, gamma, beta }: Arrays, c) => {
      const groups = Number(c.attributes.groups);
      const { shape } = c.inputs.x!;
      const { mean, variance } = moments(x!, shape, groups);
      const { set, channel } = places(shape, groups);
      const y = Float64Array.from(x!, (value, i) => {
        const deviation = Math.sqrt(variance[set(i)]! + Number(c.attributes.epsilon));
        return ((value - mean[set(i)]!) / deviation) * gamma![channel(i)]! + beta![channel(i)]!;
      });
      return { y, groupMean: mean, groupVariance: variance };
    },
  },
  {
    op: 'groupNormBackward',
    cases: [
      ...batches.map((b) => backward(b)),
      ...[['dx'], ['dgamma'], ['dbeta'], ['dgamma', 'dbeta']].map((wanted) =>
        backward(batches[0]!, wanted),
      ),
    ],
    // By the chain through the variance and the mean, in that order.
    reference: ({ x, gamma, groupMean, groupVariance, dy }: Arrays, c) => {
      const groups = Number(c.attributes.groups);
      const { shape } = c.inputs.x!;
      const { count, set, channel } = places(shape, groups);
      const deviation = Float64Array.from(groupVariance!, (v) =>
        Math.sqrt(v + Number(c.attributes.epsilon)),
      );
      const dgamma = new Float64Array(gamma!.length);
      const dbeta = new Float64Array(gamma!.length);
      const byMean = new Float64Array(deviation.length);
      const byVariance = new Float64Array(deviation.length);
      for (let i = 0; i < dy!.length; ++i) {
        const [s, k] = [set(i), channel(i)];
        const distance = x![i]! - groupMean![s]!;
        const upstream = dy![i]! * gamma![k]!;
        dgamma[k]! += (dy![i]! * distance) / deviation[s]!;
        dbeta[k]! += dy![i]!;
        byMean[s]! -= upstream / deviation[s]!;
        byVariance[s]! -= (upstream * distance) / (2 * deviation[s]! ** 3);
      }
      const dx = Float64Array.from(dy!, (d, i) => {
        const s = set(i);
        const distance = x![i]! - groupMean![s]!;
        return (
          (d * gamma![channel(i)]!) / deviation[s]! +
          (byVariance[s]! * 2 * distance + byMean[s]!) / count
        );
      });
      const all: Arrays = { dx, dgamma, dbeta };
      return Object.fromEntries(Object.keys(c.outputs).map((name) => [name, all[name]!]));
    },
  },
] satisfies FamilyCases;
