import { elements, f32, uniform, type Arrays, type FamilyCases, type OpCase } from './cases.js';
import { volumes, type Volume } from './volumes.js';

const factors = [
  [1, 0],
  [-2.5, 0],
  [f32(0.3), f32(-0.7)],
  [0, 3],
  [1, 1],
] as const;

const copy = (v: Volume, i: number): OpCase => ({
  name: `${v.name} times ${factors[i % 5]![0].toFixed(1)} plus ${factors[i % 5]![1].toFixed(1)}`,
  attributes: { alpha: factors[i % 5]![0], beta: factors[i % 5]![1] },
  inputs: { x: { shape: v.shape, fill: uniform(-1, 1), ...v.from } },
  outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
});

const fill = (v: Volume, i: number): OpCase => ({
  name: `${v.name} with ${factors[i % 5]![1].toFixed(1)}`,
  attributes: { alpha: 0, beta: factors[i % 5]![1] },
  inputs: {},
  outputs: { y: { shape: v.shape, ...v.to } },
});

export default [
  {
    op: 'copy',
    cases: volumes.map(copy),
    reference: ({ x }: Arrays, c) => ({
      y: Float64Array.from(
        x!,
        (value) => Number(c.attributes.alpha) * value + Number(c.attributes.beta),
      ),
    }),
  },
  {
    op: 'fill',
    cases: volumes.filter((v) => !v.accumulate).map(fill),
    reference: (_: Arrays, c) => ({
      y: new Float64Array(elements(c.outputs.y!.shape)).fill(Number(c.attributes.beta)),
    }),
  },
] satisfies FamilyCases;
