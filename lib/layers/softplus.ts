import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { optional, real } from '../graph/options.js';
import { aboveZero, defineActivation } from './activation.js';

export interface SoftplusOptions extends NamedOptions {
  /** How sharp the bend is; above 0, default 1. */
  beta?: number;
  /** Where `beta x` lies above it, `y = x`; default 20. */
  threshold?: number;
}

const make = defineActivation<{ readonly beta: number; readonly threshold: number }>({
  name: 'softplus',
  options: { beta: optional(aboveZero, 1), threshold: optional(real(), 20) },
  kind: () => 'softplus',
  numbers: ({ beta, threshold }) => ({ alpha: beta, threshold }),
  flops: () => 5,
});

/**
 * Softplus (Dugas et al. 2001), elementwise: `y = log(1 + e^(beta x)) / beta`, and `x` where `beta x` lies
 * above the threshold, as in PyTorch. NaN passes on. Any shape, which it keeps.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown or out of range.
 */
export function softplus(options: SoftplusOptions = {}): Layer {
  return make(options);
}
