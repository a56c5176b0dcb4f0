import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { defineActivation } from './activation.js';

const make = defineActivation({
  name: 'hardSigmoid',
  options: {},
  kind: () => 'hardSigmoid',
  flops: () => 2,
});

/**
 * Sigmoid from straight pieces (Howard et al. 2019, MobileNetV3), elementwise:
 * `y = min(max(x + 3, 0), 6) / 6`; the gradient at -3 and at 3 is 0 (PyTorch). NaN passes on. Any shape,
 * which it keeps.
 */
export function hardSigmoid(options: NamedOptions = {}): Layer {
  return make(options);
}
