import { normalOf, type Initializer, type InitializerRule } from './initializer.js';

export const gaussianRule: InitializerRule = {
  numbers: { mean: 0, std: 0.01 },
  sampler({ mean, std }, _fans, stream) {
    const next = normalOf(std!, stream);
    return () => mean! + next();
  },
};

/** Normal with the given deviation (0.01: Krizhevsky 2012) and mean (0). */
export function gaussian({
  std = 0.01,
  mean = 0,
}: { std?: number; mean?: number } = {}): Initializer {
  return { kind: 'gaussian', mean, std };
}
