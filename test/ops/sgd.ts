import { f32, uniform, values, type Arrays, type FamilyCases, type OpCase } from './cases.js';

interface Segment {
  begin: number;
  count: number;
  rateScale: number;
  weightDecay: number;
}
const segment = (begin: number, count: number, rateScale = 1, weightDecay = 0): Segment => ({
  begin,
  count,
  rateScale: f32(rateScale),
  weightDecay: f32(weightDecay),
});

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);
const bitsOf = (value: number): number => ((floats[0] = value), bits[0]!);
const floatOf = (value: number): number => ((bits[0] = value), floats[0]!);

interface Rule {
  momentum?: number;
  nesterov?: boolean;
  learningRate?: number;
}

const made = (
  name: string,
  length: number,
  segments: readonly Segment[],
  rule: Rule = {},
): OpCase => {
  const momentum = f32(rule.momentum ?? 0);
  return {
    name,
    attributes: { momentum, nesterov: rule.nesterov ? 1 : 0 },
    control: { learningRate: rule.learningRate ?? 0.1 },
    inputs: {
      gradients: { shape: [length], fill: uniform(-1, 1) },
      segments: {
        shape: [segments.length, 4],
        dtype: 'int32',
        // Bits of floats are no float32 numbers, so the table is no recipe.
        fill: () =>
          segments.flatMap((s) => [s.begin, s.count, bitsOf(s.rateScale), bitsOf(s.weightDecay)]),
      },
      table: {
        shape: [segments.length, 4],
        fill: values(...segments.flatMap((s) => [s.begin, s.count, s.rateScale, s.weightDecay])),
      },
      parameters0: { shape: [length], fill: uniform(-1, 1) },
      ...(momentum > 0 && { momentum0: { shape: [length], fill: uniform(-1, 1) } }),
    },
    outputs: {
      parameters: {
        shape: [length],
        accumulate: true,
        previous: ({ parameters0 }) => parameters0!,
      },
      ...(momentum > 0 && {
        momentum: { shape: [length], accumulate: true, previous: ({ momentum0 }) => momentum0! },
      }),
    },
  };
};

const rules: readonly (Rule & { name: string })[] = [
  { name: 'plain' },
  { name: 'momentum', momentum: 0.9 },
  { name: 'Nesterov', momentum: 0.9, nesterov: true },
];

const slabs: readonly { name: string; length: number; segments: readonly Segment[] }[] = [
  { name: 'one element', length: 1, segments: [segment(0, 1)] },
  { name: 'one segment', length: 37, segments: [segment(0, 37)] },
  { name: 'decay', length: 64, segments: [segment(0, 64, 1, 5e-4)] },
  {
    name: 'weights and biases, gaps between',
    length: 160,
    segments: [segment(0, 50, 1, 5e-4), segment(64, 5, 2, 0), segment(80, 75, 0.5, 0.1)],
  },
  {
    name: 'a frozen range',
    length: 100,
    segments: [segment(0, 16, 1, 0.01), segment(48, 52, 1, 0.01)],
  },
  {
    name: 'rate scale zero',
    length: 33,
    segments: [segment(0, 17, 0, 0.5), segment(17, 16, 1, 0.5)],
  },
  {
    name: 'several pieces',
    length: 50_000,
    segments: [segment(0, 49_999, 1, 1e-3), segment(49_999, 1, 3, 0)],
  },
  {
    name: 'many segments',
    length: 1600,
    segments: Array.from({ length: 100 }, (_, i) =>
      segment(16 * i, 1 + (i % 16), 1 + (i % 3), (i % 5) / 100),
    ),
  },
];

export default [
  {
    op: 'sgd',
    cases: [
      ...rules.flatMap((rule) =>
        slabs.map((s) => made(`${rule.name}, ${s.name}`, s.length, s.segments, rule)),
      ),
      made('a rate of zero moves the momentum alone', 20, [segment(0, 20)], {
        momentum: 0.5,
        learningRate: 0,
      }),
    ],
    reference: ({ gradients, segments, parameters0, momentum0 }: Arrays, c) => {
      const parameters = Float64Array.from(parameters0!);
      const momentum = momentum0 && Float64Array.from(momentum0);
      const rate = c.control!.learningRate!;
      const mu = Number(c.attributes.momentum);
      for (let i = 0; i < segments!.length; i += 4) {
        const [begin, count] = [segments![i]!, segments![i + 1]!];
        const [rateScale, decay] = [floatOf(segments![i + 2]!), floatOf(segments![i + 3]!)];
        for (let j = begin; j < begin + count; ++j) {
          const g = gradients![j]! + decay * parameters[j]!;
          let step = g;
          if (momentum) {
            momentum[j] = mu * momentum[j]! + g;
            step = c.attributes.nesterov ? g + mu * momentum[j]! : momentum[j]!;
          }
          parameters[j]! -= rate * rateScale * step;
        }
      }
      return { parameters, ...(momentum && { momentum }) };
    },
  },
] satisfies FamilyCases;
