import {
  away,
  f32,
  integers,
  uniform,
  type Arrays,
  type FamilyCases,
  type OpCase,
  type Operand,
} from './cases.js';
import { volumes, type Volume } from './volumes.js';

// Bytes and numbers take turns, and so do the parameters that are given.
const normalize = (v: Volume, i: number): OpCase => {
  const dtype: Operand['dtype'][] = ['uint8', 'float32', undefined];
  const type = dtype[i % 3];
  const C = v.shape.at(-1) ?? 1;
  const vectors = v.shape.length > 0;
  return {
    name: `${v.name} of ${type ?? 'the element type'}`,
    attributes: { scale: f32([1 / 255, 1 / 256, 1][i % 3]!) },
    inputs: {
      x: {
        shape: v.shape,
        ...(type && { dtype: type }),
        fill: type === 'uint8' ? integers(0, 256) : uniform(-2, 2),
        ...v.from,
      },
      ...(vectors && i % 4 !== 1 && { mean: { shape: [C], fill: uniform(0.2, 0.6) } }),
      ...(vectors && i % 4 !== 2 && { std: { shape: [C], fill: away(0.2, 0.5) } }),
    },
    outputs: { y: { shape: v.shape, ...v.to } },
  };
};

export default [
  {
    op: 'normalize',
    cases: volumes.filter((v) => !v.accumulate).map(normalize),
    reference: ({ x, mean, std }: Arrays, c) => {
      const C = c.inputs.x!.shape.at(-1) ?? 1;
      const scale = Number(c.attributes.scale);
      return {
        y: Float64Array.from(
          x!,
          (value, i) => (value * scale - (mean?.[i % C] ?? 0)) / (std?.[i % C] ?? 1),
        ),
      };
    },
  },
] satisfies FamilyCases;
