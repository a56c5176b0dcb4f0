import { defineLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, optional } from '../graph/options.js';
import { defineOp, type AttributeValues } from '../program/op.js';
import {
  eagerPool,
  eagerPoolBackward,
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

/** The winner's place in a window takes one byte up to this many elements. */
const byteWindow = 256;

export function switchType(attributes: AttributeValues): 'uint8' | 'int32' {
  return Number(attributes.sizeH) * Number(attributes.sizeW) <= byteWindow ? 'uint8' : 'int32';
}

const eagerRules = { ...poolingRules, switches: optional(flag, false) };

export const maxPoolOp = defineOp({
  name: 'maxPool2d',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
    { name: 'switches', role: 'out', optional: true, element: 'other' },
  ],
  attributes: poolingAttributeTypes,
  eager: {
    attributes: (shapes, options) => eagerPool('maxPool2d', eagerRules, shapes, options).attributes,
    outputs(shapes, attributes, given) {
      const { y, options } = eagerPool('maxPool2d', eagerRules, shapes, given);
      const switches = { shape: y, dtype: switchType(attributes) };
      return { y: { shape: y }, ...(options.switches ? { switches } : {}) };
    },
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(maxPoolBackwardOp, g.attributes, { dy, switches: g.operand('switches'), dx });
    });
  },
});

export const maxPoolBackwardOp = defineOp({
  name: 'maxPool2dBackward',
  operands: [
    { name: 'dy', role: 'in' },
    { name: 'switches', role: 'in', element: 'other' },
    { name: 'dx', role: 'out' },
  ],
  attributes: poolingAttributeTypes,
  eager: {
    attributes: (shapes, options) =>
      eagerPoolBackward('maxPool2dBackward', poolingRules, shapes, options).attributes,
    outputs: (shapes, _attributes, options) => ({
      dx: { shape: eagerPoolBackward('maxPool2dBackward', poolingRules, shapes, options).dx },
    }),
  },
});

const make = defineLayer<Pooling>({
  kind: 'maxPool2d',
  prefix: 'pool',
  arity: 1,
  options: poolingRules,
  shape: ([x], options, { fit }) => poolShape(x!, options, fit),
  window: ([x], options, { fit }) => poolWindow(x!, options, fit),
  flops: (_inputs, output, options) => poolFlops(output, options),
  forward(scope, [x], options) {
    const attributes = poolAttributes(poolWindows(x!.shape, options, scope.fit), options);
    const y = scope.tensor(scope.outputShape);
    const switches =
      scope.mode === 'train' || scope.differentiated
        ? scope.tensor(scope.outputShape, { name: 'switches', dtype: switchType(attributes) })
        : undefined;
    scope.emit(maxPoolOp, attributes, { x, y, switches });
    return y;
  },
});

/**
 * Maximum pooling: the largest value of each window, channel by channel; `[H, W, C]` becomes
 * `[P, Q, C]` with `P = (H - F + 2P)/S + 1`. The stride is the window unless given. The first of equal
 * values gets the gradient; NaN passes on; padding never wins.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for a size that does not divide (`fit`) and for padding that is
 * not smaller than the window.
 */
export function maxPool2d(options: PoolOptions): Layer {
  return make(options);
}
