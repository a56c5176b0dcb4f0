import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { defineActivation } from './activation.js';

const make = defineActivation({
  name: 'hardSwish',
  options: {},
  kind: () => 'hardSwish',
  flops: () => 4,
});

/**
 * Swish from straight pieces (Howard et al. 2019, MobileNetV3), elementwise:
 * `y = x min(max(x + 3, 0), 6) / 6`; the gradient is 0 at -3 and 1 at 3 (PyTorch). NaN passes on; -infinity
 * gives 0. Any shape, which it keeps.
 */
export function hardSwish(options: NamedOptions = {}): Layer {
  return make(options);
}
