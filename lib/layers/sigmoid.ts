import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { defineActivation } from './activation.js';

const make = defineActivation({
  name: 'sigmoid',
  options: {},
  kind: () => 'sigmoid',
  flops: () => 4,
});

/**
 * Logistic function, elementwise: `y = 1 / (1 + e^-x)`. NaN passes on. Any shape, which it keeps; the
 * gradient needs the output alone.
 */
export function sigmoid(options: NamedOptions = {}): Layer {
  return make(options);
}
