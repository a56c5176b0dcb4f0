import { f32, range, uniform, type FamilyCases, type Numbers, type OpCase } from './cases.js';
import type { Range, Recipe } from './cases.js';

interface Batch {
  n: number;
  elements: number;
  note?: string;
  x?: Recipe;
  target?: Recipe;
  from?: Range;
  to?: Range;
  accumulate?: true;
  lossScale?: number;
}

const kinds = ['squared', 'absolute', 'huber', 'sigmoid'] as const;

const batches: readonly Batch[] = [
  { n: 1, elements: 1 },
  { n: 1, elements: 7 },
  { n: 4, elements: 10 },
  { n: 17, elements: 3 },
  { n: 3, elements: 16 },
  { n: 2, elements: 33 },
  { n: 5, elements: 127 },
  { n: 257, elements: 5 },
  { n: 2, elements: 2047, note: 'a part less one' },
  { n: 2, elements: 2048, note: 'a whole part' },
  { n: 3, elements: 2051, note: 'a part and a rest' },
  { n: 2, elements: 8200, note: 'parts' },
  { n: 4, elements: 6, lossScale: 1024, note: 'scaled' },
  { n: 5, elements: 6, from: range(9, 2), note: 'x is a range' },
  { n: 5, elements: 8, from: range(16, 4), to: range(12, 4), note: 'both are ranges' },
  { n: 5, elements: 6, accumulate: true, note: 'added' },
  { n: 3, elements: 12, x: uniform(-90, 90), note: 'far from zero' },
  { n: 2, elements: 5, x: uniform(0, 1, { 3: NaN, 6: Infinity }), note: 'not finite' },
];

const nameOf = (kind: string, { n, elements, note }: Batch): string =>
  `${kind} ${n}x${elements}${note ? ` ${note}` : ''}`;

/** Of each kind; where kinds have kinks, numbers on them are left to the PyTorch comparison. */
function casesOf(b: Batch): readonly OpCase[] {
  return kinds.map((kind, k): OpCase => ({
    name: nameOf(kind, b),
    attributes: { kind: k, delta: kind === 'huber' ? f32(0.7) : 1 },
    control: { lossScale: b.lossScale ?? 1 },
    inputs: {
      x: { shape: [b.n, b.elements], fill: b.x ?? uniform(-2, 2), ...b.from },
      target: {
        shape: [b.n, b.elements],
        fill: b.target ?? (kind === 'sigmoid' ? uniform(0, 1) : uniform(-2, 2)),
      },
    },
    outputs: { losses: { shape: [b.n] }, statistics: { shape: [4] } },
    ...(b.note === 'not finite' && { noGradient: 'not finite' }),
  }));
}

const backward = (c: OpCase, b: Batch): OpCase => ({
  ...c,
  inputs: {
    ...c.inputs,
    statistics: { shape: [4], fill: (given) => loss(given.x!, given.target!, c).statistics },
  },
  outputs: {
    dx: { shape: [b.n, b.elements], ...b.to, ...(b.accumulate && { accumulate: true }) },
  },
});

const forms = [
  (x: number, t: number) => (x - t) ** 2,
  (x: number, t: number) => Math.abs(x - t),
  (x: number, t: number, delta: number) => {
    const near = Math.min(Math.abs(x - t), delta);
    return near * Math.abs(x - t) - near ** 2 / 2;
  },
  // -t log p - (1 - t) log(1 - p) with p = 1 / (1 + e^-x)
  (x: number, t: number) => t * softplus(-x) + (1 - t) * softplus(x),
];

/** log(1 + e^x) without overflow. */
const softplus = (x: number): number =>
  x > 30 ? x + Math.exp(-x) : Math.log1p(Math.exp(Math.max(x, -745)));

/** The derivative by x of each form. */
const slopes = [
  (d: number) => 2 * d,
  (d: number) => Math.sign(d),
  (d: number, delta: number) => Math.sign(d) * Math.min(Math.abs(d), delta),
];

function loss(x: Numbers, target: Numbers, c: OpCase) {
  const [n, elements] = c.inputs.x!.shape as [number, number];
  const { kind, delta } = c.attributes;
  const losses = Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let e = i * elements; e < (i + 1) * elements; ++e)
      sum += forms[Number(kind)]!(x[e]!, target[e]!, Number(delta));
    return sum / elements;
  });
  const total = losses.reduce((sum, value) => sum + value, 0);
  return { losses, statistics: Float64Array.of(total, n, 0, 0) };
}

export default [
  {
    op: 'elementLoss',
    cases: batches.filter(({ accumulate }) => !accumulate).flatMap(casesOf),
    objective: ({ statistics }, c) =>
      (statistics![0]! / statistics![1]!) * (c.control?.lossScale ?? 1),
    reference: ({ x, target }, c) => loss(x!, target!, c),
  },
  {
    op: 'elementLossBackward',
    cases: batches
      .filter(({ note }) => note !== 'not finite')
      .flatMap((b) => casesOf(b).map((c) => backward(c, b))),
    reference: ({ x, target, statistics }, c) => {
      const scale = (c.control?.lossScale ?? 1) / (statistics![1]! * c.inputs.x!.shape[1]!);
      const kind = Number(c.attributes.kind);
      const dx = Float64Array.from(x!, (value, i) => {
        const slope =
          kind === 3
            ? (1 + Math.tanh(value / 2)) / 2 - target![i]!
            : slopes[kind]!(value - target![i]!, Number(c.attributes.delta));
        return slope * scale;
      });
      return { dx };
    },
  },
] satisfies FamilyCases;
