import { uniform, type FamilyCases, type OpCase } from './cases.js';
import { segment, slabCase, slabCases, slabReference, type SlabRule } from './slab.js';

const rule = (options: { rho?: number; epsilon?: number } = {}): SlabRule => ({
  attributes: { rho: options.rho ?? 0.9, epsilon: options.epsilon ?? 1e-6 },
  control: { learningRate: 1 },
  slots: { square: uniform(0.01, 1), delta: uniform(0, 0.1) },
});
const whole = { length: 45, segments: [segment(0, 45, 1, 0.01)] };
const zero = uniform(0, 0);

const cases: readonly OpCase[] = [
  ...slabCases('plain', rule()),
  ...slabCases('rho 0.95', rule({ rho: 0.95, epsilon: 1e-4 })),
  slabCase('the first step', whole, { ...rule(), slots: { square: zero, delta: zero } }),
  slabCase('rho of zero', whole, rule({ rho: 0 })),
  slabCase('a large epsilon', whole, rule({ epsilon: 0.1 })),
];

export default [
  {
    op: 'adadelta',
    cases,
    reference: (inputs, c) => {
      const [rho, epsilon] = [Number(c.attributes.rho), Number(c.attributes.epsilon)];
      return slabReference((element, gradient, rate, decay) => {
        const g = gradient + decay * element.parameters!;
        element.square = rho * element.square! + (1 - rho) * g ** 2;
        const step = g * Math.sqrt((element.delta! + epsilon) / (element.square + epsilon));
        element.delta = rho * element.delta! + (1 - rho) * step ** 2;
        element.parameters! -= rate * step;
      })(inputs, c);
    },
  },
] satisfies FamilyCases;
