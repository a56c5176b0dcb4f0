import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { describe, invalid, optional, type OptionRule } from '../graph/options.js';
import { defineActivation } from './activation.js';

type Approximation = 'none' | 'tanh';

export interface GeluOptions extends NamedOptions {
  /** `'tanh'`: the formula with tanh; default `'none'`, the error function. */
  approximate?: Approximation;
}

const approximation: OptionRule<Approximation> = {
  read(value, where) {
    if (value === 'none' || value === 'tanh') return value;
    throw invalid(`${where} is ${describe(value)}`, `Give 'none' or 'tanh'.`);
  },
};

const make = defineActivation<{ readonly approximate: Approximation }>({
  name: 'gelu',
  options: { approximate: optional(approximation, 'none') },
  kind: ({ approximate }) => (approximate === 'tanh' ? 'geluTanh' : 'gelu'),
  flops: ({ approximate }) => (approximate === 'tanh' ? 9 : 5),
});

/**
 * Gaussian error linear unit (Hendrycks and Gimpel 2016), elementwise: `x` times the probability that a
 * standard normal variable lies below `x`; with `approximate: 'tanh'`
 * `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, as in PyTorch. NaN passes on; -infinity gives 0.
 * Any shape, which it keeps.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown or out of range.
 */
export function gelu(options: GeluOptions = {}): Layer {
  return make(options);
}
