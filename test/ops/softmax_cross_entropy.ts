import {
  distinct,
  integers,
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
import { volumes } from './volumes.js';

interface Batch {
  name: string;
  n: number;
  classes: number;
  logits: Recipe;
  labels: Recipe;
  ignoreLabel: number;
  lossScale: number;
  from?: Range | undefined;
  to?: Range | undefined;
  accumulate: boolean;
}

interface Options {
  logits?: Recipe;
  labels?: Recipe;
  ignored?: Record<number, number>;
  ignoreLabel?: number;
  lossScale?: number;
  from?: Range;
  to?: Range;
  accumulate?: boolean;
  note?: string;
}

const batch = (n: number, classes: number, options: Options = {}): Batch => ({
  name: `${n}x${classes}${options.note ? ` ${options.note}` : ''}`,
  n,
  classes,
  logits: options.logits ?? uniform(-3, 3),
  labels: options.labels ?? integers(0, classes, options.ignored),
  ignoreLabel: options.ignoreLabel ?? -1,
  lossScale: options.lossScale ?? 1,
  from: options.from,
  to: options.to,
  accumulate: options.accumulate ?? false,
});

const batches: readonly Batch[] = [
  batch(1, 2),
  batch(1, 10),
  batch(4, 10),
  batch(64, 10, { note: 'LeNet' }),
  batch(7, 3),
  batch(5, 4, { note: 'fewer classes than five' }),
  batch(13, 5),
  batch(3, 16),
  batch(11, 17),
  batch(2, 33),
  batch(3, 1000),
  batch(37, 101),
  batch(257, 7),
  batch(20, 999, { note: 'several pieces' }),
  batch(9, 10, { logits: uniform(-80, 80), note: 'large logits' }),
  batch(9, 10, { logits: uniform(900, 905), note: 'logits far from zero' }),
  batch(8, 10, { logits: distinct(0.05), note: 'no ties' }),
  batch(6, 10, { ignored: { 1: -1, 4: -1 }, note: 'ignored rows' }),
  batch(5, 10, { ignored: { 0: 255 }, ignoreLabel: 255, note: 'ignored label 255' }),
  batch(4, 6, { ignored: { 0: 2, 1: 2 }, ignoreLabel: 2, note: 'a class that is ignored' }),
  batch(2, 3, { ignored: { 0: -1, 1: -1 }, note: 'all ignored' }),
  batch(6, 8, { lossScale: 1024, note: 'scaled' }),
  batch(6, 8, { lossScale: 0.25, ignored: { 2: -1 }, note: 'scaled and ignored' }),
  batch(5, 6, { from: range(9, 2), note: 'logits are a range' }),
  batch(5, 6, { from: range(8, 1), to: range(7, 0), note: 'both are ranges' }),
  batch(5, 6, { accumulate: true, note: 'added' }),
];

const labels = (b: Batch) => ({ shape: [b.n], dtype: 'int32' as const, fill: b.labels });
const logits = (b: Batch) => ({ shape: [b.n, b.classes], fill: b.logits, ...b.from });

const forward = (b: Batch): OpCase => ({
  name: b.name,
  attributes: { ignoreLabel: b.ignoreLabel },
  control: { lossScale: b.lossScale },
  inputs: { logits: logits(b), labels: labels(b) },
  outputs: { losses: { shape: [b.n] }, statistics: { shape: [4] } },
});

const backward = (b: Batch): OpCase => ({
  name: b.name,
  attributes: { ignoreLabel: b.ignoreLabel },
  control: { lossScale: b.lossScale },
  inputs: {
    logits: logits(b),
    labels: labels(b),
    statistics: {
      shape: [4],
      fill: (given) => loss(given.logits!, given.labels!, b.ignoreLabel).statistics,
    },
  },
  outputs: { dx: { shape: [b.n, b.classes], ...b.to, ...(b.accumulate && { accumulate: true }) } },
});

/** Row i as it stands, less its maximum, and the log of the sum of the latter's exponentials. */
function rowOf(
  x: Numbers,
  i: number,
  classes: number,
): { row: number[]; shifted: number[]; logSum: number } {
  const row = Array.from({ length: classes }, (_, j) => x[i * classes + j]!);
  const max = row.reduce((a, b) => Math.max(a, b));
  const shifted = row.map((value) => value - max);
  return {
    row,
    shifted,
    logSum: Math.log(shifted.reduce((sum, value) => sum + Math.exp(value), 0)),
  };
}

function loss(x: Numbers, labels: Numbers, ignoreLabel: number) {
  const classes = x.length / labels.length;
  const losses = new Float64Array(labels.length);
  const statistics = new Float64Array(4);
  for (let i = 0; i < labels.length; ++i) {
    const label = labels[i]!;
    if (label === ignoreLabel) continue;
    const { row, shifted, logSum } = rowOf(x, i, classes);
    losses[i] = logSum - shifted[label]!;
    const rank = row.filter(
      (value, j) => value > row[label]! || (value === row[label]! && j < label),
    ).length;
    const wrong = Number.isNaN(losses[i]);
    statistics[0]! += losses[i]!;
    statistics[1]! += 1;
    statistics[2]! += !wrong && rank < 1 ? 1 : 0;
    statistics[3]! += !wrong && rank < 5 ? 1 : 0;
  }
  return { losses, statistics };
}

const softmaxShapes = volumes.filter((v) => v.shape.length > 0 && !v.name.includes('piece'));

export default [
  {
    op: 'softmaxCrossEntropy',
    cases: [
      ...batches
        .filter((b) => !b.accumulate)
        .map(forward)
        .map((c) => (c.name.includes('all ignored') ? { ...c, noGradient: 'no row counts' } : c)),
      {
        ...forward(
          batch(4, 3, {
            logits: values(1, 1, 0, 1, 1, 0, 0, 2, 2, 5, 5, 5),
            labels: values(0, 1, 2, 2),
            note: 'ties',
          }),
        ),
        noTorch: 'topk breaks ties as it likes',
      },
      {
        ...forward(
          batch(3, 6, {
            logits: uniform(-1, 1, { 2: NaN, 10: Infinity }),
            labels: values(0, 1, 2),
            note: 'not finite',
          }),
        ),
        noTorch: 'topk ranks NaN first',
        noGradient: 'not finite',
      },
    ],
    objective: ({ statistics }, c) =>
      (statistics![0]! / statistics![1]!) * (c.control?.lossScale ?? 1),
    reference: ({ logits, labels }: Arrays, c) =>
      loss(logits!, labels!, Number(c.attributes.ignoreLabel)),
  },
  {
    op: 'softmaxCrossEntropyBackward',
    cases: batches.map(backward),
    reference: ({ logits, labels, statistics }: Arrays, c) => {
      const classes = logits!.length / labels!.length;
      const scale = (c.control?.lossScale ?? 1) / statistics![1]!;
      const dx = new Float64Array(logits!.length);
      for (let i = 0; i < labels!.length; ++i) {
        if (labels![i] === c.attributes.ignoreLabel) continue;
        const { shifted, logSum } = rowOf(logits!, i, classes);
        shifted.forEach((value, j) => {
          dx[i * classes + j] = (Math.exp(value - logSum) - (j === labels![i] ? 1 : 0)) * scale;
        });
      }
      return { dx };
    },
  },
  {
    op: 'softmax',
    cases: [
      ...batches
        .filter((b) => !b.accumulate)
        .map((b): OpCase => ({
          name: b.name,
          attributes: { ignoreLabel: -1 },
          inputs: { x: logits(b) },
          outputs: { y: { shape: [b.n, b.classes], ...b.to } },
        })),
      ...softmaxShapes
        .filter((v) => v.shape.length !== 2 && !v.accumulate)
        .map((v): OpCase => ({
          name: v.name,
          attributes: { ignoreLabel: -1 },
          inputs: { x: { shape: v.shape, fill: uniform(-3, 3), ...v.from } },
          outputs: { y: { shape: v.shape, ...v.to } },
        })),
    ],
    reference: ({ x }: Arrays, c) => {
      const classes = c.inputs.x!.shape.at(-1)!;
      const y = new Float64Array(x!.length);
      for (let i = 0; i < x!.length / classes; ++i) {
        const { shifted, logSum } = rowOf(x!, i, classes);
        shifted.forEach((value, j) => (y[i * classes + j] = Math.exp(value - logSum)));
      }
      return { y };
    },
  },
] satisfies FamilyCases;
