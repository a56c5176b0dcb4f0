// What the cases of all optimizers share: slabs, their segments, and the loop of a slow reference.
import {
  f32,
  uniform,
  values,
  type Arrays,
  type ControlValues,
  type Fill,
  type OpCase,
} from './cases.js';

export interface Segment {
  begin: number;
  count: number;
  rateScale: number;
  weightDecay: number;
}
export const segment = (begin: number, count: number, rateScale = 1, weightDecay = 0): Segment => ({
  begin,
  count,
  rateScale: f32(rateScale),
  weightDecay: f32(weightDecay),
});

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);
const bitsOf = (value: number): number => ((floats[0] = value), bits[0]!);
const floatOf = (value: number): number => ((bits[0] = value), floats[0]!);

export interface Slab {
  name: string;
  length: number;
  segments: readonly Segment[];
}

export const slabs: readonly Slab[] = [
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
    length: 17_000,
    segments: [segment(0, 16_999, 1, 1e-3), segment(16_999, 1, 3, 0)],
  },
  {
    name: 'many segments',
    length: 1600,
    segments: Array.from({ length: 100 }, (_, i) =>
      segment(16 * i, 1 + (i % 16), 1 + (i % 3), (i % 5) / 100),
    ),
  },
];

export interface SlabRule {
  attributes: OpCase['attributes'];
  /** What is remembered, by operand: its values before the step. */
  slots: Readonly<Record<string, Fill>>;
  /** Default: a rate of 0.1. */
  control?: ControlValues;
  /** Factor and bound. */
  clip?: readonly [number, number];
  noTorch?: string;
}

/** A case over a slab: everything that is updated has its values before as the input `<name>0`. */
export function slabCase(
  name: string,
  { length, segments }: Pick<Slab, 'length' | 'segments'>,
  rule: SlabRule,
): OpCase {
  const updated = { parameters: uniform(-1, 1), ...rule.slots };
  const shape = [length];
  const before = Object.entries(updated).map(([slot, fill]) => [`${slot}0`, { shape, fill }]);
  const outputs = Object.keys(updated).map((slot) => [
    slot,
    { shape, accumulate: true, previous: (inputs: Arrays) => inputs[`${slot}0`]! },
  ]);
  return {
    name,
    attributes: rule.attributes,
    control: { learningRate: 0.1, ...rule.control },
    inputs: {
      gradients: { shape, fill: uniform(-1, 1) },
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
      ...(rule.clip && { clip: { shape: [2], fill: values(...rule.clip) } }),
      ...(Object.fromEntries(before) as OpCase['inputs']),
    },
    outputs: Object.fromEntries(outputs) as OpCase['outputs'],
    ...(rule.noTorch !== undefined && { noTorch: rule.noTorch }),
  };
}

export const clipped: readonly { name: string; clip: readonly [number, number] }[] = [
  { name: 'gradients scaled', clip: [0.25, Infinity] },
  { name: 'gradients bounded', clip: [1, 0.5] },
];

/** A rule for each slab, and for the clipped gradients and a scaled loss. */
export function slabCases(name: string, rule: SlabRule, over = slabs): OpCase[] {
  const gaps = over[3]!;
  return [
    ...over.map((slab) => slabCase(`${name}, ${slab.name}`, slab, rule)),
    ...clipped.map((how) => slabCase(`${name}, ${how.name}`, gaps, { ...rule, clip: how.clip })),
    slabCase(`${name}, a scaled loss`, gaps, {
      ...rule,
      control: { ...rule.control, lossScale: 8 },
    }),
  ];
}

/** One element as the rule changes it: what it was, by name; it is changed in place. */
export type Element = Record<string, number>;

/** Walks every segment element by element. */
export function slabReference(
  update: (element: Element, g: number, rate: number, decay: number) => void,
): (inputs: Arrays, c: OpCase) => Arrays {
  return ({ gradients, segments, clip, ...inputs }, c) => {
    const names = Object.keys(c.outputs);
    const after: Record<string, Float64Array> = Object.fromEntries(
      names.map((name) => [name, Float64Array.from(inputs[`${name}0`]!)]),
    );
    const { learningRate = 0, lossScale = 1 } = c.control ?? {};
    const [factor, bound] = clip ? [clip[0]!, clip[1]!] : [1, Infinity];
    for (let i = 0; i < segments!.length; i += 4) {
      const [begin, count] = [segments![i]!, segments![i + 1]!];
      const [rateScale, decay] = [floatOf(segments![i + 2]!), floatOf(segments![i + 3]!)];
      for (let j = begin; j < begin + count; ++j) {
        const element = Object.fromEntries(names.map((name) => [name, after[name]![j]!]));
        const raw = (gradients![j]! * factor) / lossScale;
        update(
          element,
          Math.sign(raw) * Math.min(Math.abs(raw), bound),
          learningRate * rateScale,
          decay,
        );
        for (const name of names) after[name]![j] = element[name]!;
      }
    }
    return after;
  };
}
