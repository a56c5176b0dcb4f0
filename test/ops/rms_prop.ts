import { uniform, type FamilyCases, type OpCase } from './cases.js';
import { segment, slabCase, slabCases, slabReference, slabs, type SlabRule } from './slab.js';

const rule = (
  options: { centered?: boolean; momentum?: number; alpha?: number; epsilon?: number } = {},
): SlabRule => {
  const { centered = false, momentum = 0, alpha = 0.99, epsilon = 1e-8 } = options;
  return {
    attributes: { alpha, epsilon, momentum },
    control: { learningRate: 0.01 },
    slots: {
      // A mean square is no less than the square of the mean.
      square: uniform(0.3, 1),
      ...(centered && { average: uniform(-0.5, 0.5) }),
      ...(momentum > 0 && { momentum: uniform(-1, 1) }),
    },
  };
};
const whole = { length: 45, segments: [segment(0, 45, 1, 0.01)] };
const zero = uniform(0, 0);

const cases: readonly OpCase[] = [
  ...slabCases('plain', rule()),
  ...slabCases('centred', rule({ centered: true })),
  ...slabCases('momentum', rule({ momentum: 0.9 })),
  slabCase('centred with momentum', slabs[3]!, rule({ centered: true, momentum: 0.9 })),
  slabCase('the first step', whole, { ...rule(), slots: { square: zero } }),
  slabCase('alpha of zero', whole, rule({ alpha: 0 })),
  slabCase('a large epsilon', whole, rule({ epsilon: 0.1 })),
];

export default [
  {
    op: 'rmsProp',
    cases,
    reference: (inputs, c) => {
      const alpha = Number(c.attributes.alpha);
      return slabReference((element, gradient, rate, decay) => {
        const g = gradient + decay * element.parameters!;
        element.square = alpha * element.square! + (1 - alpha) * g ** 2;
        let variance = element.square;
        if (element.average !== undefined) {
          element.average = alpha * element.average + (1 - alpha) * g;
          variance -= element.average ** 2;
        }
        let step = g / (Math.sqrt(variance) + Number(c.attributes.epsilon));
        if (element.momentum !== undefined)
          step = element.momentum = Number(c.attributes.momentum) * element.momentum + step;
        element.parameters! -= rate * step;
      })(inputs, c);
    },
  },
] satisfies FamilyCases;
