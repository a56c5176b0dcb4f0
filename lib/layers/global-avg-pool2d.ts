import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { elementsOf, requireVolume } from '../graph/shape.js';
import { avgPoolOp } from './avg-pool2d.js';

const make = defineLayer({
  kind: 'globalAvgPool2d',
  prefix: 'pool',
  arity: 1,
  options: {},
  shape: ([x]) => [requireVolume(x!)[2]],
  window: () => 'whole',
  flops: ([x]) => elementsOf(x!),
  forward(scope, [x]) {
    const [sizeH, sizeW, channels] = x!.shape as [number, number, number];
    const y = scope.tensor([1, 1, channels]);
    const whole = { sizeH, sizeW, strideH: 1, strideW: 1 };
    const bare = { padTop: 0, padLeft: 0, padBottom: 0, padRight: 0, countPadding: 0 };
    scope.emit(avgPoolOp, { ...whole, ...bare }, { x, y });
    return scope.reshape(y, [channels]);
  },
});

/** The mean of every channel over the whole plane: `[H, W, C]` becomes `[C]`. */
export function globalAvgPool2d(options: NamedOptions = {}): Layer {
  return make(options);
}
