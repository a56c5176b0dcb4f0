import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, initializer, optional, positive } from '../graph/options.js';
import { elementsOf } from '../graph/shape.js';
import { constant, glorotUniform, type Initializer } from '../initializers/index.js';
import { convAttributes, convOp } from './conv2d-ops.js';

export interface DenseOptions extends NamedOptions {
  /** Number of outputs. */
  units: number;
  /** Adds one number a unit; default true. */
  bias?: boolean;
  /** Start of the weights; default `glorotUniform()`. */
  init?: Initializer;
  /** Start of the bias; default `constant(0)`. */
  biasInit?: Initializer;
}

interface Options {
  readonly units: number;
  readonly bias: boolean;
  readonly init: Initializer;
  readonly biasInit: Initializer;
}

// One pixel whose channels are all the inputs.
const pixel = { padding: { top: 0, right: 0, bottom: 0, left: 0 }, height: 1, width: 1 };
const attributes = convAttributes(pixel, {
  stride: [1, 1],
  dilation: [1, 1],
  groups: 1,
  winograd: false,
});

const make = defineLayer<Options>({
  kind: 'dense',
  prefix: 'fc',
  arity: 1,
  options: {
    units: positive,
    bias: optional(flag, true),
    init: optional(initializer, glorotUniform()),
    biasInit: optional(initializer, constant(0)),
  },
  shape: (_inputs, { units }) => [units],
  window: () => 'whole',
  flops: ([x], _output, { units, bias }) => (2 * elementsOf(x!) + (bias ? 1 : 0)) * units,
  parameters([x], { units, bias, init, biasInit }) {
    const fans = { fanIn: elementsOf(x!), fanOut: units };
    const w = { name: 'w', shape: [fans.fanIn, units], init, trainable: true, ...fans };
    const b = { name: 'b', shape: [units], init: biasInit, trainable: true, ...fans };
    return bias ? [w, b] : [w];
  },
  forward(scope, [x], { units, bias }) {
    const inputs = elementsOf(x!.shape);
    const y = scope.tensor([1, 1, units]);
    scope.emit(convOp, attributes, {
      x: scope.reshape(x!, [1, 1, inputs]),
      w: scope.reshape(scope.parameter('w'), [1, 1, inputs, units]),
      b: bias ? scope.parameter('b') : undefined,
      y,
    });
    return scope.reshape(y, [units]);
  },
});

/**
 * Fully connected layer: each of `units` outputs is a weighted sum of all inputs. A volume
 * `[H, W, C]` is taken as a vector of its H W C values, channels innermost; the output is `[units]`.
 *
 * Parameters: `w` `[inputs, units]`, `b` `[units]`. The default start is Glorot's uniform one, with
 * zero bias.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range.
 */
export function dense(options: DenseOptions): Layer {
  return make(options);
}
