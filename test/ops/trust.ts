// What the cases and references of LARS and LAMB share.
import { uniform, type Arrays, type OpCase } from './cases.js';
import { segment, slabCase, slabCases, slabs, type Slab, type SlabRule } from './slab.js';

/** A case with the numbers that say which segments are trusted: by default every one. */
function trusting(c: OpCase, trusted?: readonly number[]): OpCase {
  const [count] = c.inputs.segments!.shape;
  const fill = () => trusted ?? new Array<number>(count!).fill(1);
  return { ...c, inputs: { ...c.inputs, trusted: { shape: [count!], dtype: 'int32', fill } } };
}

export const trustCase = (
  name: string,
  slab: Pick<Slab, 'length' | 'segments'>,
  rule: SlabRule,
  trusted?: readonly number[],
): OpCase => trusting(slabCase(name, slab, rule), trusted);

/** Every segment takes blocks of its own, so there are not many. */
const small = slabs.map((slab) => ({ ...slab, segments: slab.segments.slice(0, 12) }));

const noTorch = 'torch.optim has neither LARS nor LAMB';

/** A rule over all slabs, and where a ratio is 1. */
export function trustCases(name: string, given: SlabRule): OpCase[] {
  const rule = { ...given, noTorch };
  const whole = { length: 45, segments: [segment(0, 45, 1, 0.01)] };
  const zero = trustCase(`${name}, parameters of zero`, whole, rule);
  const still = trustCase(
    `${name}, gradients of zero`,
    { ...whole, segments: [segment(0, 45)] },
    rule,
  );
  const nothing = { shape: [45], fill: uniform(0, 0) };
  return [
    ...slabCases(name, rule, small).map((c) => trusting(c)),
    trustCase(`${name}, biases not trusted`, slabs[3]!, rule, [1, 0, 1]),
    trustCase(`${name}, nothing trusted`, slabs[3]!, rule, [0, 0, 0]),
    { ...zero, inputs: { ...zero.inputs, parameters0: nothing } },
    { ...still, inputs: { ...still.inputs, gradients: nothing } },
    trustCase(
      `${name}, odd borders`,
      { length: 40_003, segments: [segment(3, 35_001, 1, 0.1), segment(35_007, 4_990, 2, 0)] },
      rule,
    ),
  ];
}

/** The norm of some elements, the largest taken out first. */
export function norm(values: readonly number[]): number {
  const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (largest === 0) return 0;
  return largest * Math.sqrt(values.map((v) => (v / largest) ** 2).reduce((a, b) => a + b, 0));
}

export interface TrustSegment {
  /** Positions in the slab. */
  at: readonly number[];
  g: readonly number[];
  trusted: boolean;
  rate: number;
  decay: number;
}

/** The segments as plain arrays, gradients as the optimizers read them. */
export function segmentsOf(
  { gradients, segments, clip, trusted }: Arrays,
  c: OpCase,
): TrustSegment[] {
  const { learningRate = 0, lossScale = 1 } = c.control ?? {};
  const [factor, bound] = clip ? [clip[0]!, clip[1]!] : [1, Infinity];
  const bits = new DataView(new ArrayBuffer(4));
  const floatOf = (value: number): number => (bits.setInt32(0, value), bits.getFloat32(0));
  return Array.from({ length: segments!.length / 4 }, (_, i) => {
    const [begin, count, scale, decay] = [0, 1, 2, 3].map((k) => segments![4 * i + k]!);
    const at = Array.from({ length: count! }, (_, k) => begin! + k);
    const raw = at.map((j) => (gradients![j]! * factor) / lossScale);
    return {
      at,
      g: raw.map((v) => Math.max(-bound, Math.min(bound, v))),
      trusted: trusted![i] !== 0,
      rate: learningRate * floatOf(scale!),
      decay: floatOf(decay!),
    };
  });
}
