import { f32, uniform, type FamilyCases, type OpCase } from './cases.js';
import { segment, slabCase, slabCases, slabReference, type SlabRule } from './slab.js';

const rule = (momentum = 0, nesterov = false): SlabRule => ({
  attributes: { momentum: f32(momentum), nesterov: nesterov ? 1 : 0 },
  slots: momentum > 0 ? { momentum: uniform(-1, 1) } : {},
});

const cases: readonly OpCase[] = [
  ...slabCases('plain', rule()),
  ...slabCases('momentum', rule(0.9)),
  ...slabCases('Nesterov', rule(0.9, true)),
  slabCase(
    'a rate of zero moves the momentum alone',
    { length: 20, segments: [segment(0, 20)] },
    { ...rule(0.5), control: { learningRate: 0 } },
  ),
];

export default [
  {
    op: 'sgd',
    cases,
    reference: (inputs, c) => {
      const mu = Number(c.attributes.momentum);
      return slabReference((element, gradient, rate, decay) => {
        const g = gradient + decay * element.parameters!;
        let step = g;
        if (element.momentum !== undefined) {
          element.momentum = mu * element.momentum + g;
          step = c.attributes.nesterov ? g + mu * element.momentum : element.momentum;
        }
        element.parameters! -= rate * step;
      })(inputs, c);
    },
  },
] satisfies FamilyCases;
