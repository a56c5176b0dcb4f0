import { defineLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, optional, type OptionRules } from '../graph/options.js';
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

const attributes = { ...poolingAttributeTypes, countPadding: 'int32' } as const;

export interface AvgPool2dOptions extends PoolOptions {
  /** Whether zeros of the padding count in the divisor (PyTorch's and Caffe's rule); default true. */
  countPadding?: boolean;
}

interface Options extends Pooling {
  readonly countPadding: boolean;
}

const rules: OptionRules<Options> = { ...poolingRules, countPadding: optional(flag, true) };

function withDivisor(attributes: AttributeValues, { countPadding }: Options): AttributeValues {
  return { ...attributes, countPadding: countPadding ? 1 : 0 };
}

export const avgPoolOp = defineOp({
  name: 'avgPool2d',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes,
  eager: {
    attributes(shapes, given) {
      const call = eagerPool('avgPool2d', rules, shapes, given);
      return withDivisor(call.attributes, call.options);
    },
    outputs: (shapes, _attributes, given) => ({
      y: { shape: eagerPool('avgPool2d', rules, shapes, given).y },
    }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => g.emit(avgPoolBackwardOp, g.attributes, { dy, dx }));
  },
});

export const avgPoolBackwardOp = defineOp({
  name: 'avgPool2dBackward',
  operands: [
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes,
  eager: {
    attributes(shapes, given) {
      const call = eagerPoolBackward('avgPool2dBackward', rules, shapes, given);
      return withDivisor(call.attributes, call.options);
    },
    outputs: (shapes, _attributes, given) => ({
      dx: { shape: eagerPoolBackward('avgPool2dBackward', rules, shapes, given).dx },
    }),
  },
});

const make = defineLayer<Options>({
  kind: 'avgPool2d',
  prefix: 'pool',
  arity: 1,
  options: rules,
  shape: ([x], options, { fit }) => poolShape(x!, options, fit),
  window: ([x], options, { fit }) => poolWindow(x!, options, fit),
  flops: (_inputs, output, options) => poolFlops(output, options),
  forward(scope, [x], options) {
    const geometry = poolWindows(x!.shape, options, scope.fit);
    const y = scope.tensor(scope.outputShape);
    scope.emit(avgPoolOp, withDivisor(poolAttributes(geometry, options), options), { x, y });
    return y;
  },
});

/**
 * Average pooling: the mean of each window, channel by channel; `[H, W, C]` becomes `[P, Q, C]` with
 * `P = (H - F + 2P)/S + 1`. The stride is the window unless given. The mean divides by the part of the
 * window inside the padded volume, or, with `countPadding: false`, inside the volume.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for a size that does not divide (`fit`) and for padding that is
 * not smaller than the window.
 */
export function avgPool2d(options: AvgPool2dOptions): Layer {
  return make(options);
}
