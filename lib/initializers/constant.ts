import type { Initializer, InitializerRule } from './initializer.js';

export const constantRule: InitializerRule = {
  numbers: { value: 0 },
  sampler:
    ({ value }) =>
    () =>
      value!,
};

/** Every element is `value`. */
export function constant(value: number): Initializer {
  return { kind: 'constant', value };
}
