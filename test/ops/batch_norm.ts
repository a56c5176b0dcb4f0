import {
  away,
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
  epsilon: number;
  /** Values lie between the two. */
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

const batch = (shape: readonly number[], options: Options = {}): Batch => ({
  name: `${shape.join('x')}${options.note ? ` ${options.note}` : ''}`,
  shape,
  epsilon: f32(options.epsilon ?? 1e-5),
  low: options.between?.[0] ?? -1,
  high: options.between?.[1] ?? 1,
  from: options.from,
  to: options.to,
  accumulate: options.accumulate ?? false,
});

const batches: readonly Batch[] = [
  batch([2, 4, 4, 3]),
  batch([1, 2, 2, 1], { epsilon: 0.1, note: 'four values' }),
  batch([3, 1], { epsilon: 0.1, note: 'three values' }),
  batch([2, 5], { epsilon: 0.5, note: 'two values a channel' }),
  batch([16, 10]),
  batch([7, 33]),
  batch([64, 17]),
  batch([5, 1, 1, 16]),
  batch([1, 7, 1, 5]),
  batch([1, 1, 13, 2]),
  batch([3, 5, 7, 1]),
  batch([2, 5, 7, 16]),
  batch([2, 3, 5, 17]),
  batch([1, 11, 13, 33]),
  batch([3, 2, 3, 257], { note: 'many channels' }),
  batch([2, 31, 37, 8], { note: 'many pixels' }),
  batch([1, 3, 11, 4], { note: 'as many pixels as parts, and one' }),
  batch([4, 8, 8, 3], { between: [7, 9], note: 'off zero' }),
  batch([4, 6, 6, 3], { between: [-1000, 1000], note: 'large' }),
  batch([4, 6, 6, 3], { epsilon: 1e-3, note: 'epsilon 1e-3' }),
  batch([4, 6, 6, 3], { epsilon: 1, between: [0, 0.1], note: 'epsilon above the variance' }),
  batch([2, 4, 5, 3], { from: range(8, 5), note: 'input is a range' }),
  batch([2, 4, 5, 16], { to: range(33, 16), note: 'output is a range' }),
  batch([2, 5, 3, 17], { from: range(18, 1), to: range(20, 3), note: 'both are ranges' }),
  batch([9, 6], { from: range(7, 1), to: range(8, 0), note: 'ranges of a matrix' }),
  batch([2, 4, 4, 5], { accumulate: true, note: 'added' }),
  batch([2, 4, 4, 5], { accumulate: true, from: range(9, 4), note: 'added to a range' }),
];

const channels = (b: Batch): number => b.shape.at(-1)!;
const vector = (b: Batch) => ({ shape: [channels(b)] });
const x = (b: Batch) => ({ shape: b.shape, fill: uniform(b.low, b.high), ...b.from });
const gamma = (b: Batch) => ({ ...vector(b), fill: away(0.3, 1.5) });
const beta = (b: Batch) => ({ ...vector(b), fill: uniform(-1, 1) });

/** Mean, biased and unbiased variance by channel, in two passes. */
function statistics(values: Numbers, C: number) {
  const m = values.length / C;
  const mean = new Float64Array(C);
  const squares = new Float64Array(C);
  // From the first value on, so that equal ones have a variance of exactly zero.
  for (let i = 0; i < values.length; ++i) mean[i % C]! += (values[i]! - values[i % C]!) / m;
  for (let k = 0; k < C; ++k) mean[k]! += values[k]!;
  for (let i = 0; i < values.length; ++i) squares[i % C]! += (values[i]! - mean[i % C]!) ** 2;
  return { mean, variance: squares.map((s) => s / m), unbiased: squares.map((s) => s / (m - 1)) };
}

const forward = (b: Batch): OpCase => ({
  name: b.name,
  attributes: { epsilon: b.epsilon, momentum: f32(0.1) },
  inputs: { x: x(b), gamma: gamma(b), beta: beta(b) },
  outputs: {
    y: { shape: b.shape, ...b.to },
    mean: vector(b),
    variance: vector(b),
    unbiased: vector(b),
  },
});

/** What a rebuild of y takes; far from zero the offset holds what rounding took from the mean. */
const saving = (b: Batch): OpCase => {
  const c = forward(b);
  const saved = { scale: vector(b), offset: vector(b) };
  return { ...c, name: `${b.name} scale and offset`, outputs: { ...c.outputs, ...saved } };
};

const again = (b: Batch): OpCase => ({
  name: b.name,
  attributes: { epsilon: b.epsilon, momentum: 0 },
  inputs: {
    x: x(b),
    mean: { ...vector(b), fill: uniform(b.low, b.high) },
    scale: { ...vector(b), fill: away(0.3, 1.5) },
    offset: { ...vector(b), fill: uniform(-1, 1) },
  },
  outputs: {
    y: { shape: b.shape, ...b.to, ...(b.accumulate ? { accumulate: true as const } : {}) },
  },
});

const inference = (b: Batch): OpCase => ({
  name: b.name,
  attributes: { epsilon: b.epsilon, momentum: 0 },
  inputs: {
    x: x(b),
    gamma: gamma(b),
    beta: beta(b),
    mean: { ...vector(b), fill: uniform(b.low, b.high) },
    variance: { ...vector(b), fill: uniform(0.5, 2) },
  },
  outputs: { y: { shape: b.shape, ...b.to } },
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
    attributes: { epsilon: b.epsilon, momentum: 0 },
    inputs: {
      x: x(b),
      gamma: gamma(b),
      mean: { ...vector(b), fill: (given) => statistics(given.x!, channels(b)).mean },
      variance: { ...vector(b), fill: (given) => statistics(given.x!, channels(b)).variance },
      dy: { shape: b.shape, fill: uniform(-1, 1), ...b.to },
    },
    outputs: Object.fromEntries(wanted.map((name) => [name, outputs[name]!])),
  };
};

/** Running statistics that are not those of the batch. */
const frozen = (b: Batch, wanted?: readonly string[]): OpCase => {
  const c = backward(b, wanted);
  const mean = { ...vector(b), fill: uniform(b.low, b.high) };
  const variance = { ...vector(b), fill: uniform(0.5, 2) };
  return { ...c, inputs: { ...c.inputs, mean, variance } };
};

const update = (C: number, momentum: number): OpCase => ({
  name: `${C} channels, momentum ${momentum}`,
  attributes: { epsilon: 0, momentum: f32(momentum) },
  inputs: {
    mean: { shape: [C], fill: uniform(-1, 1) },
    unbiased: { shape: [C], fill: uniform(0.5, 2) },
    runningMean0: { shape: [C], fill: uniform(-1, 1) },
    runningVariance0: { shape: [C], fill: uniform(0.5, 2) },
  },
  outputs: {
    runningMean: { shape: [C], accumulate: true, previous: ({ runningMean0 }) => runningMean0! },
    runningVariance: {
      shape: [C],
      accumulate: true,
      previous: ({ runningVariance0 }) => runningVariance0!,
    },
  },
});

export default [
  {
    op: 'batchNorm',
    cases: [
      ...batches.filter((b) => !b.accumulate),
      // Statistics from sums of squares lose their digits here. Not for the gradient, whose operand `mean`
      // is a rounded one.
      batch([4, 8, 8, 3], { between: [99, 101], note: 'far from zero' }),
      batch([2, 9, 11, 17], { between: [999, 1001], note: 'farther from zero' }),
    ]
      .map(forward)
      .concat(batches.filter((b) => !b.accumulate && b.high === 1 && !b.from && !b.to).map(saving)),
    reference: ({ x, gamma, beta }: Arrays, c) => {
      const C = gamma!.length;
      const s = statistics(x!, C);
      const epsilon = Number(c.attributes.epsilon);
      const y = Float64Array.from(x!, (value, i) => {
        const k = i % C;
        return (
          ((value - s.mean[k]!) / Math.sqrt(s.variance[k]! + epsilon)) * gamma![k]! + beta![k]!
        );
      });
      const scale = Float64Array.from(
        gamma!,
        (value, k) => value / Math.sqrt(s.variance[k]! + epsilon),
      );
      const all: Arrays = { y, ...s, scale, offset: Float64Array.from(beta!) };
      return Object.fromEntries(Object.keys(c.outputs).map((name) => [name, all[name]!]));
    },
  },
  {
    op: 'batchNormApply',
    cases: batches.map(again),
    reference: ({ x, mean, scale, offset }: Arrays) => ({
      y: Float64Array.from(x!, (value, i) => {
        const k = i % mean!.length;
        return value * scale![k]! + (offset![k]! - mean![k]! * scale![k]!);
      }),
    }),
  },
  {
    op: 'batchNormInference',
    cases: batches.filter((b) => !b.accumulate).map(inference),
    reference: ({ x, gamma, beta, mean, variance }: Arrays, c) => ({
      y: Float64Array.from(x!, (value, i) => {
        const k = i % gamma!.length;
        return (
          ((value - mean![k]!) / Math.sqrt(variance![k]! + Number(c.attributes.epsilon))) *
            gamma![k]! +
          beta![k]!
        );
      }),
    }),
  },
  {
    op: 'batchNormBackward',
    cases: [
      ...batches.map((b) => backward(b)),
      ...[['dx'], ['dgamma'], ['dbeta'], ['dgamma', 'dbeta']].map((wanted) =>
        backward(batches[0]!, wanted),
      ),
    ],
    reference: ({ x, gamma, mean, variance, dy }: Arrays, c) => {
      const C = gamma!.length;
      const m = x!.length / C;
      const deviation = Float64Array.from(variance!, (v) =>
        Math.sqrt(v + Number(c.attributes.epsilon)),
      );
      const normal = Float64Array.from(
        x!,
        (value, i) => (value - mean![i % C]!) / deviation[i % C]!,
      );
      const dgamma = new Float64Array(C);
      const dbeta = new Float64Array(C);
      for (let i = 0; i < dy!.length; ++i) {
        dgamma[i % C]! += dy![i]! * normal[i]!;
        dbeta[i % C]! += dy![i]!;
      }
      const dx = normal.map(
        (value, i) =>
          (gamma![i % C]! / deviation[i % C]!) *
          (dy![i]! - (dbeta[i % C]! + value * dgamma[i % C]!) / m),
      );
      const all: Arrays = { dx, dgamma, dbeta };
      return Object.fromEntries(Object.keys(c.outputs).map((name) => [name, all[name]!]));
    },
  },
  {
    op: 'batchNormFrozenBackward',
    cases: [
      batch([1, 1], { note: 'one value' }),
      batch([1, 1, 1, 17], { note: 'one pixel' }),
      ...batches,
    ]
      .map((b) => frozen(b))
      .concat(
        [['dx'], ['dgamma'], ['dbeta'], ['dx', 'dgamma']].map((wanted) =>
          frozen(batches[0]!, wanted),
        ),
      ),
    // y = factor x + (beta - factor mean) with factor = gamma / deviation.
    reference: ({ x, gamma, mean, variance, dy }: Arrays, c) => {
      const C = gamma!.length;
      const [byFactor, dbeta] = [new Float64Array(C), new Float64Array(C)];
      const deviation = (k: number): number =>
        Math.sqrt(variance![k]! + Number(c.attributes.epsilon));
      const dx = Float64Array.from(dy!, (d, i) => (d * gamma![i % C]!) / deviation(i % C));
      for (let i = 0; i < dy!.length; ++i) {
        byFactor[i % C]! += dy![i]! * (x![i]! - mean![i % C]!);
        dbeta[i % C]! += dy![i]!;
      }
      const all: Arrays = { dx, dgamma: byFactor.map((d, k) => d / deviation(k)), dbeta };
      return Object.fromEntries(Object.keys(c.outputs).map((name) => [name, all[name]!]));
    },
  },
  {
    op: 'batchNormUpdate',
    cases: [1, 2, 3, 5, 8, 16, 17, 33, 64, 127, 1000].flatMap((C) => [
      update(C, 0.1),
      update(C, C % 2 ? 1 : 0.01),
    ]),
    reference: ({ mean, unbiased, runningMean0, runningVariance0 }: Arrays, c) => {
      const momentum = Number(c.attributes.momentum);
      const moved = (running: Numbers, current: Numbers) =>
        Float64Array.from(running, (value, i) => (1 - momentum) * value + momentum * current[i]!);
      return {
        runningMean: moved(runningMean0!, mean!),
        runningVariance: moved(runningVariance0!, unbiased!),
      };
    },
  },
] satisfies FamilyCases;
