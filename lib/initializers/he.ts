import { normalOf, uniformBetween, type Initializer, type InitializerRule } from './initializer.js';

export const heUniformRule: InitializerRule = {
  numbers: {},
  sampler(_numbers, { fanIn }, stream) {
    const limit = Math.sqrt(6 / fanIn);
    return uniformBetween(-limit, limit, stream);
  },
};

export const heNormalRule: InitializerRule = {
  numbers: {},
  sampler: (_numbers, { fanIn }, stream) => normalOf(Math.sqrt(2 / fanIn), stream),
};

/** Uniform with variance 2 / fanIn, for layers before a ReLU (He et al. 2015). */
export function heUniform(): Initializer {
  return { kind: 'heUniform' };
}

/** Normal with variance 2 / fanIn, for layers before a ReLU (He et al. 2015). */
export function heNormal(): Initializer {
  return { kind: 'heNormal' };
}
