import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { defineActivation } from './activation.js';

const make = defineActivation({
  name: 'tanh',
  options: {},
  kind: () => 'tanh',
  flops: () => 1,
});

/**
 * Hyperbolic tangent, elementwise. NaN passes on. Any shape, which it keeps; the gradient needs the output
 * alone.
 */
export function tanh(options: NamedOptions = {}): Layer {
  return make(options);
}
