import { uniform, type FamilyCases, type OpCase } from './cases.js';
import { segment, type SlabRule } from './slab.js';
import { norm, segmentsOf, trustCase, trustCases } from './trust.js';

const rule = (options: { step?: number; beta1?: number; epsilon?: number } = {}): SlabRule => ({
  attributes: { beta1: options.beta1 ?? 0.9, beta2: 0.999, epsilon: options.epsilon ?? 1e-6 },
  control: { learningRate: 0.01, step: options.step ?? 6 },
  slots: { average: uniform(-1, 1), square: uniform(0.01, 1) },
  noTorch: 'torch.optim has no LAMB',
});
const whole = { length: 45, segments: [segment(0, 45, 1, 0.01)] };
const zero = uniform(0, 0);

const cases: readonly OpCase[] = [
  ...trustCases('LAMB', rule()),
  trustCase('the first step', whole, {
    ...rule({ step: 0 }),
    slots: { average: zero, square: zero },
  }),
  trustCase('step 1,000', whole, rule({ step: 999 })),
  trustCase('beta1 of zero', whole, rule({ beta1: 0 })),
  trustCase('a large epsilon', whole, rule({ epsilon: 0.1 })),
];

export default [
  {
    op: 'lamb',
    cases,
    reference: (inputs, c) => {
      const [beta1, beta2] = [Number(c.attributes.beta1), Number(c.attributes.beta2)];
      const t = c.control!.step! + 1;
      const parameters = Float64Array.from(inputs.parameters0!);
      const average = Float64Array.from(inputs.average0!);
      const square = Float64Array.from(inputs.square0!);
      for (const { at, g, trusted, rate, decay } of segmentsOf(inputs, c)) {
        const u = at.map((j, k) => {
          average[j] = beta1 * average[j]! + (1 - beta1) * g[k]!;
          square[j] = beta2 * square[j]! + (1 - beta2) * g[k]! ** 2;
          const variance = square[j] / (1 - beta2 ** t);
          const step = average[j] / (1 - beta1 ** t);
          return (
            step / (Math.sqrt(variance) + Number(c.attributes.epsilon)) + decay * parameters[j]!
          );
        });
        const [p, n] = [norm(at.map((j) => parameters[j]!)), norm(u)];
        const ratio = trusted && p > 0 && n > 0 ? p / n : 1;
        at.forEach((j, k) => {
          parameters[j]! -= rate * ratio * u[k]!;
        });
      }
      return { parameters, average, square };
    },
  },
] satisfies FamilyCases;
