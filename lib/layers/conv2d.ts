import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, initializer, optional, pair, positive } from '../graph/options.js';
import { elementsOf, requireVolume, type Fit, type Padding, type Pair } from '../graph/shape.js';
import { constant, heNormal, type Initializer } from '../initializers/index.js';
import {
  convAttributes,
  convOp,
  convolutionRules,
  type ConvAlgorithm,
  type Convolution,
} from './conv2d-ops.js';
import { placed, windowOf } from './windows.js';

export interface Conv2dOptions extends NamedOptions {
  /** Number of filters: channels of the output. */
  filters: number;
  /** Filter height and width. */
  size: Pair;
  /** Pixels between neighbouring windows; default 1. */
  stride?: Pair;
  /** Zeros around the volume; default 0. */
  padding?: Padding;
  /** Pixels between neighbouring filter elements; 1, the default, is a contiguous filter. */
  dilation?: Pair;
  /** Parts into which channels and filters are divided, each convolved alone; default 1. */
  groups?: number;
  /**
   * How a CUDA device does it: `'gemm'` (1x1 filters only), `'im2col'` or `'col2im'` (for the gradient
   * by the input); default `'auto'`: what moves fewer bytes.
   */
  algorithm?: ConvAlgorithm;
  /**
   * Whether the CPU device may use Winograd's algorithm for 3x3 filters of stride 1, where it costs less; default
   * true. Its rounding error is at most 1e-5 of the result, by norm; that of the other way 3e-6.
   */
  winograd?: boolean;
  /** Adds one number a filter; default true. */
  bias?: boolean;
  /** For a size that does not divide; default: the network's. */
  fit?: Fit;
  /** Start of the filters; default `heNormal()`. */
  init?: Initializer;
  /** Start of the bias; default `constant(0)`. */
  biasInit?: Initializer;
}

interface Options extends Convolution {
  readonly filters: number;
  readonly size: readonly [number, number];
  readonly bias: boolean;
  readonly init: Initializer;
  readonly biasInit: Initializer;
}

const make = defineLayer<Options>({
  kind: 'conv2d',
  prefix: 'conv',
  arity: 1,
  options: {
    filters: positive,
    size: pair,
    ...convolutionRules,
    bias: optional(flag, true),
    init: optional(initializer, heNormal()),
    biasInit: optional(initializer, constant(0)),
  },
  shape([x], options, { fit }) {
    const [height, width, channels] = requireVolume(x!);
    const { filters, groups } = options;
    if (channels % groups !== 0 || filters % groups !== 0) {
      throw new ShapeError(
        `${groups} groups do not divide ${channels} channels and ${filters} filters`,
        {
          remedy: 'Choose groups that divide both the channels of the input and the filters.',
        },
      );
    }
    const geometry = placed([height, width], options.size, options, fit);
    return [geometry.height, geometry.width, filters];
  },
  window([x], options, { fit }) {
    const [height, width] = requireVolume(x!);
    const { size, stride, dilation } = options;
    return windowOf(placed([height, width], size, options, fit), size, stride, dilation);
  },
  flops([x], output, { size: [r, s], groups, bias }) {
    const products = (r * s * x![2]!) / groups;
    return elementsOf(output) * (2 * products + (bias ? 1 : 0));
  },
  parameters([x], { size: [r, s], filters, groups, bias, init, biasInit }) {
    const channels = x![2]! / groups;
    const fans = { fanIn: r * s * channels, fanOut: (r * s * filters) / groups };
    const w = { name: 'w', shape: [r, s, channels, filters], init, trainable: true, ...fans };
    const b = { name: 'b', shape: [filters], init: biasInit, trainable: true, ...fans };
    return bias ? [w, b] : [w];
  },
  forward(scope, [x], options) {
    const [height, width] = x!.shape as [number, number, number];
    const geometry = placed([height, width], options.size, options, scope.fit);
    const y = scope.tensor(scope.outputShape);
    scope.emit(convOp, convAttributes(geometry, options), {
      x,
      w: scope.parameter('w'),
      b: options.bias ? scope.parameter('b') : undefined,
      y,
    });
    return y;
  },
});

/**
 * Convolution (cross-correlation): filters of `size` slide over a volume `[H, W, C]` and give
 * `[P, Q, filters]`, with `P = (H - F + 2P)/S + 1`, where `F = dilation * (size - 1) + 1`, `2P` is the
 * padding of both sides and `S` the stride.
 *
 * Parameters: `w` `[size, size, C / groups, filters]`, `b` `[filters]`. The default start is He's for a
 * ReLU that follows, with zero bias.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for a size that does not divide (`fit`) and for groups that do
 * not divide the channels.
 */
export function conv2d(options: Conv2dOptions): Layer {
  return make(options);
}
