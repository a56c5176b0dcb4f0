import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { elementsOf } from '../graph/shape.js';

const make = defineLayer({
  kind: 'flatten',
  prefix: 'flatten',
  arity: 1,
  options: {},
  inPlace: true,
  shape: ([x]) => [elementsOf(x!)],
  window: () => 'whole',
  flops: () => 0,
  forward: (scope, [x]) => scope.reshape(x!, scope.outputShape),
});

/** A volume `[H, W, C]` as a vector `[H W C]`, channels innermost. */
export function flatten(options: NamedOptions = {}): Layer {
  return make(options);
}
