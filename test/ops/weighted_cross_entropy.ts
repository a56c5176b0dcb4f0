import {
  f32,
  uniform,
  values,
  type Arrays,
  type FamilyCases,
  type Input,
  type Numbers,
  type OpCase,
} from './cases.js';
import { dxOf, labelsOf, logitsOf, rowAt, scoreBatches, scores, statisticsOf } from './scores.js';
import type { Scores } from './scores.js';

interface Batch extends Scores {
  labelSmoothing: number;
  weighted: boolean;
}

const batches: readonly Batch[] = scoreBatches.map((b, i) => ({
  ...b,
  labelSmoothing: [f32(0.1), 0, 0.25, 1, f32(0.01)][i % 5]!,
  weighted: i % 3 !== 0,
}));
/** Distributions have no label that is left out. */
const softBatches = batches.filter(({ name }) => !name.includes('ignored'));

const weightsOf = (b: Batch): Record<string, Input> =>
  b.weighted ? { weights: { shape: [b.classes], fill: uniform(0.25, 2) } } : {};
const attributes = ({ ignoreLabel, labelSmoothing }: Batch): OpCase['attributes'] => ({
  ignoreLabel,
  labelSmoothing,
});

/** Uniform numbers; their sum is not 1, which the loss does not ask for. */
const targetOf = (b: Batch): Input => ({ shape: [b.n, b.classes], fill: uniform(0, 1) });

const forward = (b: Batch, soft: boolean): OpCase => ({
  name: b.name,
  attributes: attributes(b),
  control: { lossScale: b.lossScale },
  inputs: {
    logits: logitsOf(b),
    ...(soft ? { target: targetOf(b) } : { labels: labelsOf(b) }),
    ...weightsOf(b),
  },
  outputs: { losses: { shape: [b.n] }, statistics: { shape: [5] } },
});

const backward = (b: Batch, soft: boolean): OpCase => {
  const { inputs, ...rest } = forward(b, soft);
  return {
    ...rest,
    inputs: {
      ...inputs,
      statistics: { shape: [5], fill: (given) => loss(given, b.classes, attributes(b)).statistics },
    },
    outputs: { dx: dxOf(b) },
  };
};

/** Row i of the whole distribution, times the classes' weights. */
function weightedTarget(
  { labels, target, weights }: Arrays,
  i: number,
  classes: number,
  smoothing: number,
): number[] {
  const given = target
    ? rowAt(target, i, classes)
    : Array.from({ length: classes }, (_, c) => (c === labels![i] ? 1 : 0));
  return given.map((u, c) => (weights?.[c] ?? 1) * (u * (1 - smoothing) + smoothing / classes));
}

function logProbabilities(row: readonly number[]): number[] {
  const most = Math.max(...row);
  const sum = row.reduce((total, x) => total + Math.exp(x - most), 0);
  return row.map((x) => x - most - Math.log(sum));
}

/** The rows' classes: the labels, or the largest entry of the target. */
function labelsIn({ labels, target }: Arrays, n: number): Numbers {
  if (labels) return labels;
  const classes = target!.length / n;
  return Array.from({ length: n }, (_, i) => {
    const row = rowAt(target!, i, classes);
    return row.indexOf(Math.max(...row));
  });
}

function loss(given: Arrays, classes: number, a: OpCase['attributes']) {
  const { logits, labels, weights } = given;
  const ignoreLabel = labels ? Number(a.ignoreLabel) : undefined;
  const n = logits!.length / classes;
  const found = labelsIn(given, n);
  const losses = Float64Array.from(found, (label, i) => {
    if (label === ignoreLabel) return 0;
    const logP = logProbabilities(rowAt(logits!, i, classes));
    const wt = weightedTarget(given, i, classes, Number(a.labelSmoothing));
    return -wt.reduce((sum, value, c) => sum + value * logP[c]!, 0);
  });
  let divisor = n;
  if (labels) {
    divisor = 0;
    for (const label of Array.from(found))
      if (label !== ignoreLabel) divisor += weights?.[label] ?? 1;
  }
  const four = statisticsOf(losses, logits!, found, ignoreLabel);
  return { losses, statistics: Float64Array.of(...four, divisor) };
}

const reference = (given: Arrays, c: OpCase): Arrays =>
  loss(given, c.inputs.logits!.shape[1]!, c.attributes);

const gradient = (given: Arrays, c: OpCase): Arrays => {
  const { logits, labels, statistics } = given;
  const [n, classes] = c.inputs.logits!.shape as [number, number];
  const scale = (c.control?.lossScale ?? 1) / statistics![4]!;
  const dx = new Float64Array(n * classes);
  for (let i = 0; i < n; ++i) {
    if (labels && labels[i] === c.attributes.ignoreLabel) continue;
    const p = logProbabilities(rowAt(logits!, i, classes)).map(Math.exp);
    const wt = weightedTarget(given, i, classes, Number(c.attributes.labelSmoothing));
    const mass = wt.reduce((sum, value) => sum + value, 0);
    p.forEach((value, j) => (dx[i * classes + j] = (value * mass - wt[j]!) * scale));
  }
  return { dx };
};

const objective = ({ statistics }: Arrays, c: OpCase): number =>
  (statistics![0]! / statistics![4]!) * (c.control?.lossScale ?? 1);

const notFinite: Batch = {
  ...scores(3, 6, {
    logits: uniform(-1, 1, { 2: NaN, 10: Infinity }),
    labels: values(0, 1, 2),
    note: 'not finite',
  }),
  labelSmoothing: 0.25,
  weighted: true,
};
const odd = { noTorch: 'topk ranks NaN first', noGradient: 'not finite' };

const added = ({ accumulate }: Batch): boolean => accumulate;

export default [
  {
    op: 'weightedCrossEntropy',
    cases: [
      ...batches.filter((b) => !added(b)).map((b) => forward(b, false)),
      { ...forward(notFinite, false), ...odd },
    ],
    objective,
    reference,
  },
  {
    op: 'weightedCrossEntropyBackward',
    cases: batches.map((b) => backward(b, false)),
    reference: gradient,
  },
  {
    op: 'softCrossEntropy',
    cases: [
      ...softBatches.filter((b) => !added(b)).map((b) => forward(b, true)),
      ...[2, 3, 5].map((n) =>
        forward({ ...scores(n, 23), labelSmoothing: 0.5, weighted: true }, true),
      ),
      { ...forward(notFinite, true), ...odd },
    ],
    objective,
    reference,
  },
  {
    op: 'softCrossEntropyBackward',
    cases: [
      ...softBatches.map((b) => backward(b, true)),
      ...[2, 3, 5].map((n) =>
        backward({ ...scores(n, 23), labelSmoothing: 0.5, weighted: true }, true),
      ),
    ],
    reference: gradient,
  },
] satisfies FamilyCases;
