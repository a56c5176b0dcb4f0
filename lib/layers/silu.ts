import type { NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { defineActivation } from './activation.js';

const make = defineActivation({
  name: 'silu',
  options: {},
  kind: () => 'silu',
  flops: () => 5,
});

/**
 * Sigmoid linear unit, or swish (Elfwing, Uchibe and Doya 2017; Ramachandran, Zoph and Le 2017),
 * elementwise: `y = x / (1 + e^-x)`. NaN passes on; -infinity gives 0. Any shape, which it keeps.
 */
export function silu(options: NamedOptions = {}): Layer {
  return make(options);
}
