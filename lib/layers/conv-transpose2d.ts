import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, initializer, natural, optional, padding, pair, positive } from '../graph/options.js';
import {
  elementsOf,
  extentOf,
  requireVolume,
  type Padding,
  type Pair,
  type Shape,
  type Sides,
  type WindowGeometry,
} from '../graph/shape.js';
import { constant, heNormal, type Initializer } from '../initializers/index.js';
import { addBiasOp } from './add-bias.js';
import { convAttributes, convBackwardDataOp } from './conv2d-ops.js';

export interface ConvTranspose2dOptions extends NamedOptions {
  /** Number of filters: channels of the output. */
  filters: number;
  /** Filter height and width. */
  size: Pair;
  /** Pixels of the output between the windows of neighbouring input pixels; default 1. */
  stride?: Pair;
  /**
   * Rows and columns that are taken away from the full result: the padding of the convolution whose
   * gradient this is; default 0. `'same'`: the output is the input times the stride.
   */
  padding?: Padding;
  /** Rows and columns added at bottom and right, below the stride; default 0. */
  outputPadding?: Pair;
  /** Pixels between neighbouring filter elements; 1, the default, is a contiguous filter. */
  dilation?: Pair;
  /** Parts into which channels and filters are divided, each convolved alone; default 1. */
  groups?: number;
  /** Adds one number a filter; default true. */
  bias?: boolean;
  /** Start of the filters; default `heNormal()`. */
  init?: Initializer;
  /** Start of the bias; default `constant(0)`. */
  biasInit?: Initializer;
}

interface Options {
  readonly filters: number;
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Sides | 'same';
  readonly outputPadding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly bias: boolean;
  readonly init: Initializer;
  readonly biasInit: Initializer;
}

/** Output pixels along one axis, and what is taken away before and after them. */
function along(
  axis: 0 | 1,
  input: number,
  { size, stride, padding: sides, outputPadding, dilation }: Options,
): { output: number; before: number; after: number } {
  const [window, step, extra] = [
    extentOf(size[axis], dilation[axis]),
    stride[axis],
    outputPadding[axis],
  ];
  const name = axis === 0 ? 'height' : 'width';
  if (extra >= step) {
    throw new ShapeError(`outputPadding ${extra} is not below the stride ${step} of the ${name}`, {
      remedy: 'It chooses among the sizes that a convolution of this stride takes to the input.',
    });
  }
  if (sides === 'same') {
    if (extra > 0) {
      throw new ShapeError(`padding 'same' leaves no room for outputPadding ${extra}`, {
        remedy: "Leave outputPadding out, or give padding in pixels: 'same' says how large y is.",
      });
    }
    const total = Math.max(0, window - step);
    const before = Math.floor(total / 2);
    return { output: input * step, before, after: total - before };
  }
  const [before, after] = axis === 0 ? [sides.top, sides.bottom] : [sides.left, sides.right];
  const output = (input - 1) * step + window - before - after + extra;
  if (output < 1) {
    throw new ShapeError(
      `the output has no ${name}: (${input} - 1)*${step} + ${window} - ${before + after} + ${extra} = ${output}`,
      { remedy: 'Use less padding, a larger filter, or a larger stride.' },
    );
  }
  return { output, before, after };
}

function geometryOf(x: Shape, options: Options): WindowGeometry {
  const [height, width] = requireVolume(x);
  const rows = along(0, height, options);
  const columns = along(1, width, options);
  return {
    padding: { top: rows.before, right: columns.after, bottom: rows.after, left: columns.before },
    height: rows.output,
    width: columns.output,
  };
}

const make = defineLayer<Options>({
  kind: 'convTranspose2d',
  prefix: 'conv',
  arity: 1,
  options: {
    filters: positive,
    size: pair,
    stride: optional(pair, [1, 1]),
    padding: optional(padding, { top: 0, right: 0, bottom: 0, left: 0 }),
    outputPadding: optional(natural, [0, 0]),
    dilation: optional(pair, [1, 1]),
    groups: optional(positive, 1),
    bias: optional(flag, true),
    init: optional(initializer, heNormal()),
    biasInit: optional(initializer, constant(0)),
  },
  shape([x], options) {
    const channels = requireVolume(x!)[2];
    const { filters, groups } = options;
    if (channels % groups !== 0 || filters % groups !== 0) {
      throw new ShapeError(
        `${groups} groups do not divide ${channels} channels and ${filters} filters`,
        { remedy: 'Choose groups that divide both the channels of the input and the filters.' },
      );
    }
    const { height, width } = geometryOf(x!, options);
    return [height, width, filters];
  },
  window([x], options) {
    const { padding: sides } = geometryOf(x!, options);
    const { size, stride, dilation } = options;
    const axis = (i: 0 | 1, side: number): { size: number; stride: number; before: number } => {
      const window = extentOf(size[i], dilation[i]);
      const seen = Math.ceil(window / stride[i]);
      const centre = (2 * side - window + 1) / (2 * stride[i]);
      return { size: seen, stride: 1 / stride[i], before: (seen - 1) / 2 - centre };
    };
    const [rows, columns] = [axis(0, sides.top), axis(1, sides.left)];
    return {
      size: [rows.size, columns.size],
      stride: [rows.stride, columns.stride],
      before: [rows.before, columns.before],
    };
  },
  flops: ([x], output, { size: [r, s], filters, groups, bias }) =>
    (2 * elementsOf(x!) * r * s * filters) / groups + (bias ? elementsOf(output) : 0),
  parameters([x], { size: [r, s], stride, filters, groups, bias, init, biasInit }) {
    const channels = x![2]!;
    // As many products meet in one output value as the windows overlap.
    const fanIn = Math.max(1, (r * s * channels) / groups / (stride[0] * stride[1]));
    const fans = { fanIn, fanOut: (r * s * filters) / groups };
    const shape = [r, s, filters / groups, channels];
    const w = { name: 'w', shape, init, trainable: true, ...fans };
    const b = { name: 'b', shape: [filters], init: biasInit, trainable: true, ...fans };
    return bias ? [w, b] : [w];
  },
  forward(scope, [x], options) {
    const attributes = convAttributes(geometryOf(x!.shape, options), options);
    const y = scope.tensor(scope.outputShape);
    scope.emit(convBackwardDataOp, attributes, { dy: x, w: scope.parameter('w'), dx: y });
    if (!options.bias) return y;
    const shifted = scope.tensor(scope.outputShape, { name: 'shifted' });
    scope.emit(addBiasOp, { reserved: 0 }, { x: y, b: scope.parameter('b'), y: shifted });
    return shifted;
  },
});

/**
 * Transposed convolution, PyTorch's `ConvTranspose2d`: what the gradient by the input of `conv2d` is.
 * Each input pixel adds its multiple of every filter to a window of the output; `[H, W, C]` becomes
 * `[P, Q, filters]` with `P = (H - 1) * S + F - 2P + outputPadding`, where
 * `F = dilation * (size - 1) + 1`, `2P` is the padding of both sides and `S` the stride.
 *
 * Parameters: `w` `[size, size, filters / groups, C]`, that is the filters of the convolution from the
 * output to the input (PyTorch holds them as `[C, filters / groups, size, size]`), `b` `[filters]`. The
 * default start is He's for a ReLU that follows, with zero bias.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for an empty output, for `outputPadding` that is not below the
 * stride, and for groups that do not divide the channels.
 */
export function convTranspose2d(options: ConvTranspose2dOptions): Layer {
  return make(options);
}
