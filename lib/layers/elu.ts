import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { optional } from '../graph/options.js';
import { defineActivation, notNegative } from './activation.js';

export interface EluOptions extends NamedOptions {
  /** Large negative values go to `-alpha`; 0 or more, default 1. */
  alpha?: number;
}

const make = defineActivation<{ readonly alpha: number }>({
  name: 'elu',
  options: { alpha: optional(notNegative, 1) },
  kind: () => 'elu',
  numbers: ({ alpha }) => ({ alpha }),
  flops: () => 3,
});

/**
 * Exponential linear unit (Clevert, Unterthiner and Hochreiter 2015), elementwise: `y = x` above zero,
 * `alpha (e^x - 1)` elsewhere; the gradient at 0 is `alpha` (PyTorch). NaN passes on. Any shape, which it
 * keeps; the gradient needs the output alone.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown or out of range.
 */
export function elu(options: EluOptions = {}): Layer {
  return make(options);
}
