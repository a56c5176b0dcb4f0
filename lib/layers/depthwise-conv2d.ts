import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, initializer, optional, pair, positive } from '../graph/options.js';
import {
  elementsOf,
  requireVolume,
  type Fit,
  type Padding,
  type Pair,
  type Shape,
  type WindowGeometry,
} from '../graph/shape.js';
import { constant, heNormal, type Initializer } from '../initializers/index.js';
import { convAttributes, convOp } from './conv2d-ops.js';
import { placed, placementRules, windowOf, type Placement } from './windows.js';

export interface DepthwiseConv2dOptions extends NamedOptions {
  /** Filter height and width. */
  size: Pair;
  /** Filters of each channel; default 1. */
  multiplier?: number;
  /** Pixels between neighbouring windows; default 1. */
  stride?: Pair;
  /** Zeros around the volume; default 0. */
  padding?: Padding;
  /** Pixels between neighbouring filter elements; 1, the default, is a contiguous filter. */
  dilation?: Pair;
  /** Adds one number a filter; default true. */
  bias?: boolean;
  /** For a size that does not divide; default: the network's. */
  fit?: Fit;
  /** Start of the filters; default `heNormal()`. */
  init?: Initializer;
  /** Start of the bias; default `constant(0)`. */
  biasInit?: Initializer;
}

interface Options extends Placement {
  readonly size: readonly [number, number];
  readonly multiplier: number;
  readonly dilation: readonly [number, number];
  readonly bias: boolean;
  readonly init: Initializer;
  readonly biasInit: Initializer;
}

function geometryOf(x: Shape, options: Options, fit: Fit): WindowGeometry {
  const [height, width] = requireVolume(x);
  return placed([height, width], options.size, options, fit);
}

const make = defineLayer<Options>({
  kind: 'depthwiseConv2d',
  prefix: 'conv',
  arity: 1,
  options: {
    size: pair,
    multiplier: optional(positive, 1),
    ...placementRules,
    dilation: optional(pair, [1, 1]),
    bias: optional(flag, true),
    init: optional(initializer, heNormal()),
    biasInit: optional(initializer, constant(0)),
  },
  shape([x], options, { fit }) {
    const { height, width } = geometryOf(x!, options, fit);
    return [height, width, x![2]! * options.multiplier];
  },
  window: ([x], options, { fit }) =>
    windowOf(geometryOf(x!, options, fit), options.size, options.stride, options.dilation),
  flops: (_inputs, output, { size: [r, s], bias }) =>
    elementsOf(output) * (2 * r * s + (bias ? 1 : 0)),
  parameters([x], { size: [r, s], multiplier, bias, init, biasInit }) {
    const filters = x![2]! * multiplier;
    const fans = { fanIn: r * s, fanOut: r * s * multiplier };
    const w = { name: 'w', shape: [r, s, 1, filters], init, trainable: true, ...fans };
    const b = { name: 'b', shape: [filters], init: biasInit, trainable: true, ...fans };
    return bias ? [w, b] : [w];
  },
  forward(scope, [x], options) {
    const y = scope.tensor(scope.outputShape);
    const geometry = geometryOf(x!.shape, options, scope.fit);
    scope.emit(convOp, convAttributes(geometry, { ...options, groups: x!.shape[2]! }), {
      x,
      w: scope.parameter('w'),
      b: options.bias ? scope.parameter('b') : undefined,
      y,
    });
    return y;
  },
});

/**
 * Depthwise convolution: each channel is convolved alone, with `multiplier` filters of its own;
 * `[H, W, C]` becomes `[P, Q, C multiplier]`, where channel `c` of the input gives the channels
 * `c multiplier, ...` of the output. It is `conv2d` with as many groups as channels; followed by a `conv2d`
 * of size 1 it is a separable convolution (MobileNet).
 *
 * Parameters: `w` `[size, size, 1, C multiplier]`, `b` `[C multiplier]`. The default start is He's for a
 * ReLU that follows, with zero bias.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for a size that does not divide (`fit`).
 */
export function depthwiseConv2d(options: DepthwiseConv2dOptions): Layer {
  return make(options);
}
