import { elements, uniform, type Arrays, type FamilyCases, type OpCase } from './cases.js';
import { volumes, type Volume } from './volumes.js';

// Positive numbers: a sum that cancels has no relative accuracy to ask for.
const reduce = (kind: number, v: Volume): OpCase => ({
  name: `${kind ? 'mean' : 'sum'} ${v.name}`,
  attributes: { kind },
  inputs: { x: { shape: v.shape, fill: uniform(0.25, 1.25), ...v.from } },
  outputs: { y: { shape: [] } },
});

const broadcast = (kind: number, v: Volume): OpCase => ({
  name: `${kind ? 'mean' : 'sum'} ${v.name}`,
  attributes: { kind },
  inputs: { x: { shape: [], fill: uniform(0.5, 2) } },
  outputs: { y: { shape: v.shape, ...v.to, ...(v.accumulate && { accumulate: true }) } },
});

export default [
  {
    op: 'reduce',
    cases: [
      ...volumes.filter((v) => !v.accumulate).flatMap((v) => [reduce(0, v), reduce(1, v)]),
      {
        name: 'mean far from zero',
        attributes: { kind: 1 },
        inputs: { x: { shape: [3, 50, 20, 7], fill: uniform(1000, 1001) } },
        outputs: { y: { shape: [] } },
      },
    ],
    reference: ({ x }: Arrays, c) => {
      let sum = 0;
      for (let i = 0; i < x!.length; ++i) sum += x![i]!;
      return { y: [c.attributes.kind === 1 ? sum / x!.length : sum] };
    },
  },
  {
    op: 'broadcast',
    cases: volumes.map((v, i) => broadcast(i % 2, v)),
    reference: ({ x }: Arrays, c) => {
      const count = elements(c.outputs.y!.shape);
      return { y: new Float64Array(count).fill(c.attributes.kind === 1 ? x![0]! / count : x![0]!) };
    },
  },
] satisfies FamilyCases;
