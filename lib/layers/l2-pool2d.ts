import { defineLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { elementsOf } from '../graph/shape.js';
import { defineOp } from '../program/op.js';
import { batchAxes, eagerShape } from './eager.js';
import {
  eagerPool,
  eagerPoolOver,
  poolAttributes,
  poolFlops,
  poolingAttributeTypes,
  poolingRules,
  poolShape,
  poolWindow,
  poolWindows,
  type Pooling,
  type PoolOptions,
} from './pooling.js';

export const l2PoolOp = defineOp({
  name: 'l2Pool2d',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: poolingAttributeTypes,
  eager: {
    attributes: (shapes, options) =>
      eagerPool('l2Pool2d', poolingRules, shapes, options).attributes,
    outputs: (shapes, _attributes, options) => ({
      y: { shape: eagerPool('l2Pool2d', poolingRules, shapes, options).y },
    }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(l2PoolBackwardOp, g.attributes, { x: g.operand('x'), y: g.operand('y'), dy, dx });
    });
  },
});

export const l2PoolBackwardOp = defineOp({
  name: 'l2Pool2dBackward',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes: poolingAttributeTypes,
  eager: {
    attributes: (shapes, options) =>
      eagerPoolOver('l2Pool2dBackward', poolingRules, shapes, options).attributes,
    outputs: (shapes) => ({ dx: { shape: eagerShape(shapes, 'x', batchAxes) } }),
  },
});

const make = defineLayer<Pooling>({
  kind: 'l2Pool2d',
  prefix: 'pool',
  arity: 1,
  options: poolingRules,
  shape: ([x], options, { fit }) => poolShape(x!, options, fit),
  window: ([x], options, { fit }) => poolWindow(x!, options, fit),
  // A square and an addition for each value, and the root.
  flops: (_inputs, output, options) => 2 * poolFlops(output, options) + elementsOf(output),
  forward(scope, [x], options) {
    const attributes = poolAttributes(poolWindows(x!.shape, options, scope.fit), options);
    const y = scope.tensor(scope.outputShape);
    scope.emit(l2PoolOp, attributes, { x, y });
    return y;
  },
});

/**
 * L2-norm pooling: the square root of the sum of squares of each window, channel by channel;
 * `[H, W, C]` becomes `[P, Q, C]` with `P = (H - F + 2P)/S + 1`. The stride is the window unless given;
 * padding adds nothing. The gradient is `x dy / y`, and 0 for a window of zeros, where the norm has
 * none. (PyTorch's `LPPool2d` with `norm_type` 2.)
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for a size that does not divide (`fit`) and for padding that is
 * not smaller than the window.
 */
export function l2Pool2d(options: PoolOptions): Layer {
  return make(options);
}
