import { normalOf, uniformBetween, type Initializer, type InitializerRule } from './initializer.js';

export const glorotUniformRule: InitializerRule = {
  numbers: {},
  sampler(_numbers, { fanIn, fanOut }, stream) {
    const limit = Math.sqrt(6 / (fanIn + fanOut));
    return uniformBetween(-limit, limit, stream);
  },
};

export const glorotNormalRule: InitializerRule = {
  numbers: {},
  sampler: (_numbers, { fanIn, fanOut }, stream) =>
    normalOf(Math.sqrt(2 / (fanIn + fanOut)), stream),
};

/** Uniform with variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010). */
export function glorotUniform(): Initializer {
  return { kind: 'glorotUniform' };
}

/** Normal with variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010). */
export function glorotNormal(): Initializer {
  return { kind: 'glorotNormal' };
}
