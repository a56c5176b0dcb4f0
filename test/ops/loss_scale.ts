import { uniform, type Arrays, type FamilyCases, type OpCase } from './cases.js';
import { volumes, type Volume } from './volumes.js';

/** Powers of two, as training has them, and others that a user may fix. */
const scales = [65536, 1, 2 ** -14, 1000, 0.3, 2 ** 24];

const scaled = (v: Volume, i: number): OpCase => {
  const lossScale = scales[i % scales.length]!;
  return {
    name: `${v.name} times ${lossScale}`,
    attributes: {},
    control: { lossScale },
    inputs: { x: { shape: v.shape, fill: uniform(-1, 1), ...v.from } },
    outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
  };
};

const alone = (lossScale: number): OpCase => ({
  name: `the scale ${lossScale} alone`,
  attributes: {},
  control: { lossScale },
  inputs: {},
  outputs: { y: { shape: [] } },
});

const unscaled = (
  name: string,
  length: number,
  lossScale: number,
  put?: Record<number, number>,
): OpCase => ({
  name,
  attributes: {},
  control: { lossScale },
  ...(Number.isInteger(Math.log2(lossScale))
    ? {}
    : { noTorch: 'PyTorch keeps the inverse of the scale in float32' }),
  inputs: { gradients0: { shape: [length], fill: uniform(-1e4, 1e4, put) } },
  outputs: {
    gradients: { shape: [length], accumulate: true, previous: ({ gradients0 }) => gradients0! },
  },
});

// Before, at and behind the borders of packets, vectors and pieces of work.
const places = [0, 3, 4, 15, 16, 4095, 4096, 16384, 49998];

export default [
  {
    op: 'scaleByLossScale',
    cases: [...volumes.map(scaled), ...scales.map(alone)],
    reference: ({ x }: Arrays, c) => ({
      y: Float64Array.from(x ?? [1], (value) => value * c.control!.lossScale!),
    }),
  },
  {
    op: 'unscaleGradients',
    cases: [
      ...[1, 2, 3, 4, 5, 17, 1021, 50_000].map((length, i) =>
        unscaled(`${length} elements`, length, scales[i % scales.length]!),
      ),
      unscaled('the largest number', 9, 65536, { 8: 3.4028234663852886e38 }),
      unscaled('a scale below one', 9, 2 ** -14),
      unscaled('infinities of both signs', 64, 65536, { 5: Infinity, 6: -Infinity }),
      unscaled('one element, NaN', 1, 65536, { 0: NaN }),
      ...places.map((at, i) =>
        unscaled(`element ${at} of 49999`, 49_999, 2 ** (i + 8), {
          [at]: [NaN, Infinity, -Infinity][i % 3]!,
        }),
      ),
    ],
    // Divides where the kernels multiply by the inverse.
    reference: ({ gradients0 }: Arrays, c) => ({
      gradients: Float64Array.from(gradients0!, (g) => g / c.control!.lossScale!),
    }),
  },
] satisfies FamilyCases;
