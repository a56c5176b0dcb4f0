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

export default [
  {
    op: 'scaleByLossScale',
    cases: [...volumes.map(scaled), ...scales.map(alone)],
    reference: ({ x }: Arrays, c) => ({
      y: Float64Array.from(x ?? [1], (value) => value * c.control!.lossScale!),
    }),
  },
] satisfies FamilyCases;
