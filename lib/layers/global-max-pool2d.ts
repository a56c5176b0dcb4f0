import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { elementsOf, requireVolume } from '../graph/shape.js';
import { maxPoolOp, switchType } from './max-pool2d.js';

const make = defineLayer({
  kind: 'globalMaxPool2d',
  prefix: 'pool',
  arity: 1,
  options: {},
  shape: ([x]) => [requireVolume(x!)[2]],
  window: () => 'whole',
  flops: ([x]) => elementsOf(x!),
  forward(scope, [x]) {
    const [sizeH, sizeW, channels] = x!.shape as [number, number, number];
    const y = scope.tensor([1, 1, channels]);
    const bare = { padTop: 0, padLeft: 0, padBottom: 0, padRight: 0 };
    const attributes = { sizeH, sizeW, strideH: 1, strideW: 1, ...bare };
    const switches =
      scope.mode === 'train' || scope.differentiated
        ? scope.tensor([1, 1, channels], { name: 'switches', dtype: switchType(attributes) })
        : undefined;
    scope.emit(maxPoolOp, attributes, { x, y, switches });
    return scope.reshape(y, [channels]);
  },
});

/**
 * The largest value of every channel over the whole plane: `[H, W, C]` becomes `[C]`. The first of equal
 * values gets the gradient; NaN passes on.
 */
export function globalMaxPool2d(options: NamedOptions = {}): Layer {
  return make(options);
}
