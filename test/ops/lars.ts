import { uniform, type FamilyCases, type OpCase } from './cases.js';
import { segment, type SlabRule } from './slab.js';
import { norm, segmentsOf, trustCase, trustCases } from './trust.js';

const rule = (
  options: { momentum?: number; coefficient?: number; epsilon?: number } = {},
): SlabRule => ({
  attributes: {
    momentum: options.momentum ?? 0.9,
    coefficient: options.coefficient ?? 0.001,
    epsilon: options.epsilon ?? 1e-8,
  },
  slots: { momentum: uniform(-0.1, 0.1) },
  noTorch: 'torch.optim has no LARS',
});
const whole = { length: 45, segments: [segment(0, 45, 1, 0.01)] };

const cases: readonly OpCase[] = [
  ...trustCases('LARS', rule()),
  trustCase('no momentum', whole, rule({ momentum: 0 })),
  trustCase('a coefficient of 1', whole, rule({ coefficient: 1 })),
  trustCase('no epsilon', whole, rule({ epsilon: 0 })),
  trustCase('a large epsilon', whole, rule({ epsilon: 10 })),
];

export default [
  {
    op: 'lars',
    cases,
    reference: (inputs, c) => {
      const [mu, coefficient, epsilon] = ['momentum', 'coefficient', 'epsilon'].map((name) =>
        Number(c.attributes[name]),
      ) as [number, number, number];
      const parameters = Float64Array.from(inputs.parameters0!);
      const momentum = Float64Array.from(inputs.momentum0!);
      for (const { at, g, trusted, rate, decay } of segmentsOf(inputs, c)) {
        const [p, n] = [norm(at.map((j) => parameters[j]!)), norm(g)];
        const ratio = trusted && p > 0 && n > 0 ? (coefficient * p) / (n + decay * p + epsilon) : 1;
        at.forEach((j, k) => {
          momentum[j] = mu * momentum[j]! + rate * ratio * (g[k]! + decay * parameters[j]!);
          parameters[j]! -= momentum[j];
        });
      }
      return { parameters, momentum };
    },
  },
] satisfies FamilyCases;
