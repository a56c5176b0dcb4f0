import { uniform, type FamilyCases, type OpCase } from './cases.js';
import { segment, slabCase, slabCases, slabReference, slabs, type SlabRule } from './slab.js';

const rule = (
  options: {
    step?: number;
    decoupled?: boolean;
    amsgrad?: boolean;
    beta1?: number;
    epsilon?: number;
  } = {},
): SlabRule => {
  const { step = 6, decoupled = false, amsgrad = false, beta1 = 0.9, epsilon = 1e-8 } = options;
  return {
    attributes: { beta1, beta2: 0.999, epsilon, decoupled: decoupled ? 1 : 0 },
    control: { learningRate: 0.01, step },
    slots: {
      average: uniform(-1, 1),
      square: uniform(0.01, 1),
      ...(amsgrad && { maximum: uniform(0.01, 1) }),
    },
  };
};
const zero = uniform(0, 0);
const whole = { length: 45, segments: [segment(0, 45, 1, 0.01)] };

const cases: readonly OpCase[] = [
  ...slabCases('Adam', rule()),
  ...slabCases('AdamW', rule({ decoupled: true })),
  ...slabCases('AMSGrad', rule({ amsgrad: true })),
  slabCase('AMSGrad, AdamW', slabs[3]!, rule({ amsgrad: true, decoupled: true })),
  slabCase('the first step', whole, {
    ...rule({ step: 0 }),
    slots: { average: zero, square: zero },
  }),
  slabCase('step 1,000', whole, rule({ step: 999 })),
  slabCase('step 100,000', whole, rule({ step: 99_999 })),
  slabCase('beta1 of zero', whole, rule({ beta1: 0 })),
  slabCase('a large epsilon', whole, rule({ epsilon: 0.1 })),
  slabCase('a rate of zero moves the averages alone', whole, {
    ...rule(),
    control: { learningRate: 0, step: 3 },
  }),
];

export default [
  {
    op: 'adam',
    cases,
    reference: (inputs, c) => {
      const [beta1, beta2] = [Number(c.attributes.beta1), Number(c.attributes.beta2)];
      const t = c.control!.step! + 1;
      return slabReference((element, gradient, rate, decay) => {
        const p = element.parameters!;
        const g = c.attributes.decoupled ? gradient : gradient + decay * p;
        element.average = beta1 * element.average! + (1 - beta1) * g;
        element.square = beta2 * element.square! + (1 - beta2) * g ** 2;
        if (element.maximum !== undefined)
          element.maximum = Math.max(element.maximum, element.square);
        const mean = element.average / (1 - beta1 ** t);
        const variance = (element.maximum ?? element.square) / (1 - beta2 ** t);
        element.parameters =
          (c.attributes.decoupled ? p * (1 - rate * decay) : p) -
          (rate * mean) / (Math.sqrt(variance) + Number(c.attributes.epsilon));
      })(inputs, c);
    },
  },
] satisfies FamilyCases;
