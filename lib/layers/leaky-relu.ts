import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { optional } from '../graph/options.js';
import { defineActivation, notNegative } from './activation.js';

export interface LeakyReluOptions extends NamedOptions {
  /** What values below zero are multiplied by, 0 or more; default 0.01. */
  slope?: number;
}

const make = defineActivation<{ readonly slope: number }>({
  name: 'leakyRelu',
  options: { slope: optional(notNegative, 0.01) },
  kind: () => 'leakyRelu',
  numbers: ({ slope }) => ({ alpha: slope }),
  flops: () => 1,
});

/**
 * Leaky rectifier (Maas et al. 2013), elementwise: `y = x` above zero, `slope x` elsewhere, as PyTorch's
 * `LeakyReLU` with `negative_slope`; the gradient at 0 is `slope`. NaN passes on. Any shape, which it
 * keeps; the gradient needs the output alone.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown or out of range.
 */
export function leakyRelu(options: LeakyReluOptions = {}): Layer {
  return make(options);
}
