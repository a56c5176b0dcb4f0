import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { defineActivation } from './activation.js';

const make = defineActivation({
  name: 'relu6',
  options: {},
  kind: () => 'relu6',
  flops: () => 1,
});

/**
 * Rectifier with a ceiling (Howard et al. 2017, MobileNet), elementwise: `y = min(max(x, 0), 6)`; the
 * gradient at 0 and at 6 is 0 (PyTorch). NaN passes on. Any shape, which it keeps; the gradient needs the
 * output alone.
 */
export function relu6(options: NamedOptions = {}): Layer {
  return make(options);
}
