import { uniformBetween, type Initializer, type InitializerRule } from './initializer.js';

export const xavierRule: InitializerRule = {
  numbers: {},
  sampler(_numbers, { fanIn }, stream) {
    const limit = Math.sqrt(3 / fanIn);
    return uniformBetween(-limit, limit, stream);
  },
};

/** Caffe's `xavier` filler: uniform with variance 1 / fanIn. */
export function xavier(): Initializer {
  return { kind: 'xavier' };
}
