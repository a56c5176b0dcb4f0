import { uniform, type FamilyCases, type OpCase } from './cases.js';

const made = (name: string, length: number, decay: number, step = 5, put = {}): OpCase => ({
  name,
  attributes: { decay },
  control: { step },
  inputs: {
    parameters: { shape: [length], fill: uniform(-1, 1, put) },
    averages0: { shape: [length], fill: uniform(-1, 1) },
  },
  outputs: {
    averages: { shape: [length], accumulate: true, previous: ({ averages0 }) => averages0! },
  },
});

const lengths = [1, 2, 3, 4, 5, 7, 16, 31, 37, 100, 1023, 1025, 16_384, 17_001];

const cases: readonly OpCase[] = [
  ...lengths.map((length) => made(`${length} elements`, length, 0.999)),
  ...[0, 0.5, 0.9, 0.9999].map((decay) => made(`decay ${decay}`, 45, decay)),
  made('the first step takes the parameters', 45, 0.999, 0),
  made('step 1', 45, 0.999, 1),
  made('step 100,000', 45, 0.999, 100_000),
  made('NaN passes on', 45, 0.999, 5, { 3: NaN, 44: Infinity }),
];

export default [
  {
    op: 'movingAverage',
    cases,
    reference: ({ parameters, averages0 }, c) => {
      const decay = c.control!.step === 0 ? 0 : Number(c.attributes.decay);
      return {
        averages: Float64Array.from(parameters!, (p, i) =>
          decay === 0 ? p : decay * averages0![i]! + (1 - decay) * p,
        ),
      };
    },
  },
] satisfies FamilyCases;
