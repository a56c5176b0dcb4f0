import { uniformBetween, type Initializer, type InitializerRule } from './initializer.js';

export const uniformRule: InitializerRule = {
  numbers: { from: -0.05, to: 0.05 },
  sampler: ({ from, to }, _fans, stream) => uniformBetween(from!, to!, stream),
};

/** Uniform over [from, to). */
export function uniform({ from, to }: { from: number; to: number }): Initializer {
  return { kind: 'uniform', from, to };
}
