import { uniform, type Arrays, type FamilyCases, type Input, type OpCase } from './cases.js';

const made = (
  name: string,
  gradients: { count: number; put?: Record<number, number> } | undefined,
  loss?: number | { shape: readonly number[]; put?: Record<number, number> },
): OpCase => {
  const inputs: Record<string, Input> = {};
  if (gradients)
    inputs.gradients = { shape: [gradients.count], fill: uniform(-1, 1, gradients.put) };
  if (typeof loss === 'number') inputs.loss = { shape: [], fill: uniform(0, 1, { 0: loss }) };
  else if (loss) inputs.loss = { shape: loss.shape, fill: uniform(0, 1, loss.put) };
  return { name, attributes: {}, inputs, outputs: {} };
};

// Before, at and behind the borders of vectors and of pieces of work.
const places = [0, 1, 7, 8, 15, 16, 31, 4095, 4096, 16383, 16384, 49999];

export default [
  {
    op: 'checkFinite',
    cases: [
      made('finite', { count: 1000 }, 0.5),
      made('finite, several pieces', { count: 50_000 }),
      made('loss alone', undefined, 1),
      made('statistics', undefined, { shape: [4] }),
      made('the largest numbers', {
        count: 17,
        put: { 3: 3.4028234663852886e38, 9: -3.4028234663852886e38 },
      }),
      made('the smallest numbers', { count: 17, put: { 3: 1.401298464324817e-45, 9: -0 } }),
      made('one element', { count: 1 }),
      made('loss is NaN', { count: 100 }, NaN),
      made('loss is infinite', { count: 100 }, Infinity),
      made('loss alone is minus infinite', undefined, -Infinity),
      made('a statistic is NaN', undefined, { shape: [4], put: { 0: NaN } }),
      made('one element, NaN', { count: 1, put: { 0: NaN } }),
      made('last of an odd number', { count: 37, put: { 36: NaN } }),
      made('infinities of both signs', { count: 64, put: { 5: Infinity, 6: -Infinity } }),
      ...places.map((at, i) =>
        made(`element ${at} of 50000`, {
          count: 50_000,
          put: { [at]: [NaN, Infinity, -Infinity][i % 3]! },
        }),
      ),
    ],
    reference: ({ gradients, loss }: Arrays) => ({
      commit: [
        [...Array.from(gradients ?? []), ...Array.from(loss ?? [])].every(Number.isFinite) ? 1 : 0,
      ],
    }),
  },
] satisfies FamilyCases;
