import { f32, uniform, values, type FamilyCases, type Numbers, type OpCase } from './cases.js';
import { dxOf, labelsOf, logitsOf, rowAt, scoreBatches, scores, statisticsOf } from './scores.js';
import type { Scores } from './scores.js';

interface Hinge extends Scores {
  margin: number;
  squared: boolean;
}

const batches: readonly Hinge[] = scoreBatches.flatMap((b, i) => [
  { ...b, margin: [1, 0.5, f32(0.3), 2][i % 4]!, squared: false },
  { ...b, margin: [1, 0.25, 3][i % 3]!, squared: true, name: `${b.name}, squared` },
]);

const attributes = ({ ignoreLabel, margin, squared }: Hinge): OpCase['attributes'] => ({
  ignoreLabel,
  margin,
  squared: Number(squared),
});

const forward = (b: Hinge): OpCase => ({
  name: b.name,
  attributes: attributes(b),
  control: { lossScale: b.lossScale },
  inputs: { logits: logitsOf(b), labels: labelsOf(b) },
  outputs: { losses: { shape: [b.n] }, statistics: { shape: [4] } },
});

const backward = (b: Hinge): OpCase => ({
  name: b.name,
  attributes: attributes(b),
  control: { lossScale: b.lossScale },
  inputs: {
    logits: logitsOf(b),
    labels: labelsOf(b),
    statistics: {
      shape: [4],
      fill: (given) => loss(given.logits!, given.labels!, attributes(b)).statistics,
    },
  },
  outputs: { dx: dxOf(b) },
});

/** The matrix of the notes' vectorised form: the margins, with 0 at the labels. */
function margins(row: readonly number[], label: number, margin: number): number[] {
  return row.map((score, j) => (j === label ? 0 : Math.max(0, score - row[label]! + margin)));
}

function loss(x: Numbers, labels: Numbers, a: OpCase['attributes']) {
  const classes = x.length / labels.length;
  const losses = Float64Array.from(labels, (label, i) => {
    if (label === a.ignoreLabel) return 0;
    return margins(rowAt(x, i, classes), label, Number(a.margin))
      .map((m) => (a.squared ? m * m : m))
      .reduce((sum, m) => sum + m, 0);
  });
  return { losses, statistics: statisticsOf(losses, x, labels, Number(a.ignoreLabel)) };
}

/** CS231n's classification notes: the scores 13, -7, 11 with a margin of 10 lose 8. */
const notes: Hinge = {
  ...scores(1, 3, { logits: values(13, -7, 11), labels: values(0), note: 'of the notes' }),
  margin: 10,
  squared: false,
};

const notFinite: Hinge = {
  ...scores(3, 6, {
    logits: uniform(-1, 1, { 2: NaN, 10: Infinity }),
    labels: values(2, 1, 2),
    note: 'not finite',
  }),
  margin: 1,
  squared: false,
};

export default [
  {
    op: 'svmHinge',
    cases: [
      ...batches.filter((b) => !b.accumulate).map(forward),
      forward(notes),
      { ...forward(notFinite), noTorch: 'topk ranks NaN first', noGradient: 'not finite' },
    ],
    objective: ({ statistics }, c) =>
      (statistics![0]! / statistics![1]!) * (c.control?.lossScale ?? 1),
    reference: ({ logits, labels }, c) => loss(logits!, labels!, c.attributes),
  },
  {
    op: 'svmHingeBackward',
    cases: [...batches, notes].map(backward),
    reference: ({ logits, labels, statistics }, c) => {
      const classes = logits!.length / labels!.length;
      const scale = (c.control?.lossScale ?? 1) / statistics![1]!;
      const dx = new Float64Array(logits!.length);
      for (let i = 0; i < labels!.length; ++i) {
        const label = labels![i]!;
        if (label === c.attributes.ignoreLabel) continue;
        const found = margins(rowAt(logits!, i, classes), label, Number(c.attributes.margin));
        const slopes = found.map((m) => (c.attributes.squared ? 2 * m : Math.sign(m)));
        slopes[label] = -slopes.reduce((sum, slope) => sum + slope, 0);
        slopes.forEach((slope, j) => (dx[i * classes + j] = slope * scale));
      }
      return { dx };
    },
  },
] satisfies FamilyCases;
