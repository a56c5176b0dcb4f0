import { uniform, type FamilyCases, type OpCase } from './cases.js';
import { segment, slabCase, slabCases, slabReference, type SlabRule } from './slab.js';

const rule = (
  options: { step?: number; rateDecay?: number; initial?: number; epsilon?: number } = {},
): SlabRule => {
  const { step = 4, rateDecay = 0, initial = 0, epsilon = 1e-10 } = options;
  return {
    attributes: { rateDecay, initialAccumulator: initial, epsilon },
    control: { learningRate: 0.01, step },
    slots: { sum: step === 0 ? uniform(0, 0) : uniform(0.01, 2) },
  };
};
const whole = { length: 45, segments: [segment(0, 45, 1, 0.01)] };

const cases: readonly OpCase[] = [
  ...slabCases('plain', rule()),
  ...slabCases('decay of the rate', rule({ rateDecay: 0.1 })),
  slabCase('the first step', whole, rule({ step: 0 })),
  slabCase('the first step from an accumulator', whole, rule({ step: 0, initial: 0.5 })),
  slabCase('the accumulator comes once', whole, rule({ step: 1, initial: 0.5 })),
  slabCase('a large epsilon', whole, rule({ epsilon: 0.1 })),
  slabCase('step 100,000', whole, rule({ step: 99_999, rateDecay: 1e-3 })),
];

export default [
  {
    op: 'adagrad',
    cases,
    reference: (inputs, c) => {
      const { rateDecay, initialAccumulator, epsilon } = c.attributes;
      const step = c.control!.step!;
      return slabReference((element, gradient, rate, decay) => {
        const g = gradient + decay * element.parameters!;
        element.sum! += g ** 2 + (step === 0 ? Number(initialAccumulator) : 0);
        const slower = rate / (1 + step * Number(rateDecay));
        element.parameters! -= (slower * g) / (Math.sqrt(element.sum!) + Number(epsilon));
      })(inputs, c);
    },
  },
] satisfies FamilyCases;
