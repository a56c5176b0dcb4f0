import { uniform, values, type FamilyCases, type Fill, type OpCase } from './cases.js';
import { norm } from './trust.js';

const made = (
  name: string,
  length: number,
  most: number,
  { fill = uniform(-1, 1), lossScale = 1 }: { fill?: Fill; lossScale?: number } = {},
): OpCase => ({
  name,
  attributes: { most },
  control: { lossScale },
  inputs: { gradients: { shape: [length], fill } },
  outputs: { clip: { shape: [2] } },
});

const lengths = [1, 2, 3, 5, 16, 37, 255, 1024, 1025, 4099, 16_384, 65_537];

const cases: readonly OpCase[] = [
  ...lengths.map((length) => made(`${length} elements`, length, 0.25)),
  made('under the bound', 100, 50),
  made('a bound far above', 1000, 1e6),
  made('a tiny bound', 1000, 1e-6),
  made('zero', 64, 1, { fill: uniform(0, 0) }),
  made('one large element', 65, 1, { fill: uniform(-1, 1, { 64: 1e15 }) }),
  made('squares beyond float32', 4, 1, { fill: values(1e30, -1e30, 1e30, 1e30) }),
  made('squares below float32', 4, 1e-33, { fill: values(1e-30, -1e-30, 1e-30, 1e-30) }),
  made('a scaled loss', 129, 0.5, { lossScale: 1024 }),
  made('a scaled loss, under the bound', 129, 5, { lossScale: 8 }),
  made('an infinite gradient', 40, 1, { fill: uniform(-1, 1, { 7: Infinity }) }),
  made('a gradient that is NaN', 40, 1, { fill: uniform(-1, 1, { 39: NaN }) }),
];

export default [
  {
    op: 'clipNorm',
    cases,
    reference: ({ gradients }, c) => {
      const all = Array.from(gradients!, (g) => g / c.control!.lossScale!);
      const finite = all.every(Number.isFinite);
      const size = finite ? norm(all) : all.some(Number.isNaN) ? NaN : Infinity;
      const factor = Number(c.attributes.most) / (size + 1e-6);
      return { clip: [Number.isNaN(factor) ? NaN : Math.min(1, factor), Infinity] };
    },
  },
] satisfies FamilyCases;
