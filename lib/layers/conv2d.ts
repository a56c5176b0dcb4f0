import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import {
  flag,
  initializer,
  oneOf,
  optional,
  pair,
  positive,
  readOptions,
  type OptionRules,
} from '../graph/options.js';
import {
  elementsOf,
  requireVolume,
  type Fit,
  type Padding,
  type Pair,
  type WindowGeometry,
} from '../graph/shape.js';
import { constant, heNormal, type Initializer } from '../initializers/index.js';
import {
  defineOp,
  type AttributeValues,
  type Extent,
  type CompilePlan,
  type WorkspacePlan,
} from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import { cudaConvWorkspace } from './conv2d-cuda.js';
import {
  chooseTile,
  tilesOf,
  winogradWorkspace,
  type ConvDirection,
  type WinogradTile,
} from './conv2d-winograd.js';
import { batchAxes, eagerShape, filterAxes, type EagerShapes } from './eager.js';
import { reluBackwardOp } from './relu.js';
import {
  placed,
  placementAttributes,
  placementAttributeTypes,
  placementRules,
  windowOf,
  type Placement,
} from './windows.js';

const attributeTypes = {
  ...placementAttributeTypes,
  dilationH: 'int32',
  dilationW: 'int32',
  groups: 'int32',
  activation: 'int32',
  algorithm: 'int32',
  tf32: 'int32',
  winograd: 'int32',
} as const;

/** How a CUDA device convolves. */
export type ConvAlgorithm = 'auto' | 'gemm' | 'im2col' | 'col2im';

/** In the order of the op's attribute. */
const algorithms: readonly ConvAlgorithm[] = ['auto', 'gemm', 'im2col', 'col2im'];

interface Convolution extends Placement {
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly algorithm: ConvAlgorithm;
  readonly winograd: boolean;
}

/** The attribute `winograd` before the compiler has chosen: it may be used. */
const mayBeWinograd = 1;

const convolutionRules: OptionRules<Convolution> = {
  ...placementRules,
  dilation: optional(pair, [1, 1]),
  groups: optional(positive, 1),
  algorithm: optional(oneOf(algorithms), 'auto'),
  winograd: optional(flag, true),
};

/** Attributes of all three ops; `activation` 1 is a ReLU over the forward pass's output. */
export function convAttributes(
  geometry: WindowGeometry,
  {
    stride,
    dilation,
    groups,
    algorithm = 'auto',
    winograd = true,
  }: Omit<Convolution, 'padding' | 'fit' | 'algorithm' | 'winograd'> &
    Partial<Pick<Convolution, 'algorithm' | 'winograd'>>,
  activation: 0 | 1 = 0,
): AttributeValues {
  return {
    ...placementAttributes(geometry, stride),
    dilationH: dilation[0],
    dilationW: dilation[1],
    groups,
    activation,
    algorithm: algorithms.indexOf(algorithm),
    // Set where a program asks for it (precision 'tf32'): a CUDA device rounds float32 factors then.
    tf32: 0,
    winograd: winograd ? mayBeWinograd : 0,
  };
}

// The sizes of workspaces are part of the op's contract: native/ops/conv2d.h computes the same. They do
// not depend on the batch.

const columnUnit = 64;
const fewestRows = 512;
const packedElements = 2 ** 22;
const partialElements = 2 ** 18;
const mostSplits = 16;

/** Elements of a packed [depth, columns] matrix, or of as many rows as stand packed at one time. */
function packed(depth: number, columns: number): number {
  const padded = Math.ceil(columns / columnUnit) * columnUnit;
  return Math.min(depth, Math.max(fewestRows, Math.floor(packedElements / padded))) * padded;
}

/** Bytes of the operand `workspace`. `area` is R S; 0 for a filter gradient without `dw`. */
export function convWorkspace(
  direction: ConvDirection,
  area: number,
  channels: number,
  filters: number,
  groups: number,
  dtype: 'float32' | 'float64',
): number {
  const size = dtype === 'float64' ? 8 : 4;
  const [c, k] = [channels / groups, filters / groups];
  if (direction === 'backwardFilter') {
    const sums = area * c * filters + filters;
    const splits = Math.min(mostSplits, Math.max(1, Math.floor(partialElements / sums)));
    return splits === 1 ? 0 : splits * sums * size;
  }
  if (groups > 1 && c === 1 && k === 1) return 0;
  return size * (direction === 'forward' ? packed(area * c, k) : packed(area * k, c));
}

function workspaceOf(
  direction: ConvDirection,
  attributes: AttributeValues,
  volumes: Volumes,
  dtype: 'float32' | 'float64',
  plan: WorkspacePlan | undefined,
): Extent {
  const { x, w, y } = volumes;
  if (plan?.device === 'cuda') {
    const bytes = cudaConvWorkspace(direction, attributes, { x: x!, w, y: y! }, plan.batch);
    return { fixed: bytes, perImage: 0 };
  }
  const area = w === undefined ? 0 : w.shape[0]! * w.shape[1]!;
  const winograd = Number(attributes.winograd ?? 0) as WinogradTile;
  if (winograd !== 0 && area > 0) {
    const tiled = direction === 'backwardData' ? x! : y!;
    const images = tiled.batched ? (plan?.batch ?? 1) : tiled.shape[0]!;
    const tiles = tilesOf(winograd, images, planeOf(tiled));
    const sizes = [x!.shape.at(-1)!, y!.shape.at(-1)!] as const;
    return { fixed: winogradWorkspace(direction, winograd, tiles, ...sizes), perImage: 0 };
  }
  const bytes = convWorkspace(
    direction,
    area,
    x!.shape.at(-1)!,
    y!.shape.at(-1)!,
    Number(attributes.groups),
    dtype,
  );
  return { fixed: bytes, perImage: 0 };
}

interface Volumes {
  x: Tensor | undefined;
  w: Tensor | undefined;
  y: Tensor | undefined;
}

const planeOf = ({ shape }: Tensor): [number, number] => [shape.at(-3)!, shape.at(-2)!];

/** The attributes with the algorithm of the CPU device, where that is still open. */
function chosen(
  attributes: AttributeValues,
  { x, w, y }: Volumes,
  { device, batch, dtype }: CompilePlan,
): AttributeValues {
  if (attributes.winograd !== mayBeWinograd) return attributes;
  const plain = ['strideH', 'strideW', 'dilationH', 'dilationW', 'groups'].every(
    (name) => attributes[name] === 1,
  );
  const fits = w?.shape[0] === 3 && w.shape[1] === 3;
  if (device !== 'cpu' || dtype !== 'float32' || !plain || !fits)
    return { ...attributes, winograd: 0 };
  const images = y!.batched ? batch : y!.shape[0]!;
  const tile = chooseTile(images, planeOf(y!), x!.shape.at(-1)!, y!.shape.at(-1)!);
  return { ...attributes, winograd: tile };
}

interface EagerConvolution extends Convolution {
  readonly activation: 'none' | 'relu';
}

const eagerRules: OptionRules<EagerConvolution> = {
  ...convolutionRules,
  activation: optional(oneOf(['none', 'relu']), 'none'),
};

const inputSize = { inputSize: pair };
const filterSize = { size: pair };
const withBias = { bias: optional(flag, false) };

function forwardCall(
  shapes: EagerShapes,
  options: object,
): { attributes: AttributeValues; y: number[] } {
  const [n, h, w] = eagerShape(shapes, 'x', batchAxes) as [number, number, number, number];
  const [r, s, , k] = eagerShape(shapes, 'w', filterAxes) as [number, number, number, number];
  const convolution = readOptions('conv2d', eagerRules, options);
  const geometry = placed([h, w], [r, s], convolution, 'exact');
  return {
    attributes: convAttributes(geometry, convolution, convolution.activation === 'relu' ? 1 : 0),
    y: [n, geometry.height, geometry.width, k],
  };
}

/** The geometry of a backward call; `dy` must be what the forward pass would have given. */
function backwardGeometry(
  dy: readonly number[],
  plane: readonly [number, number],
  size: readonly [number, number],
  convolution: Convolution,
): WindowGeometry {
  const geometry = placed(plane, size, convolution, 'exact');
  if (dy[1] !== geometry.height || dy[2] !== geometry.width) {
    throw new ShapeError(
      `dy is ${dy[1]}x${dy[2]}, but a forward pass over ${plane.join('x')} gives ${geometry.height}x${geometry.width}`,
      { remedy: 'Give the options of the forward pass.' },
    );
  }
  return geometry;
}

function dataCall(
  shapes: EagerShapes,
  options: object,
): { attributes: AttributeValues; dx: number[] } {
  const dy = eagerShape(shapes, 'dy', batchAxes);
  const [r, s, c] = eagerShape(shapes, 'w', filterAxes) as [number, number, number, number];
  const read = readOptions('conv2dBackwardData', { ...convolutionRules, ...inputSize }, options);
  const geometry = backwardGeometry(dy, read.inputSize, [r, s], read);
  return {
    attributes: convAttributes(geometry, read),
    dx: [dy[0]!, ...read.inputSize, c * read.groups],
  };
}

function filterCall(
  shapes: EagerShapes,
  options: object,
): { attributes: AttributeValues; dw: number[]; db: number[] | undefined } {
  const [, h, w, c] = eagerShape(shapes, 'x', batchAxes) as [number, number, number, number];
  const dy = eagerShape(shapes, 'dy', batchAxes);
  const read = readOptions(
    'conv2dBackwardFilter',
    { ...convolutionRules, ...filterSize, ...withBias },
    options,
  );
  const geometry = backwardGeometry(dy, [h, w], read.size, read);
  return {
    attributes: convAttributes(geometry, read),
    dw: [...read.size, c / read.groups, dy[3]!],
    db: read.bias ? [dy[3]!] : undefined,
  };
}

export const convOp = defineOp({
  name: 'conv2d',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'w', role: 'in' },
    { name: 'b', role: 'in', optional: true, element: 'compute' },
    { name: 'y', role: 'out' },
    { name: 'workspace', role: 'out', optional: true, element: 'bytes' },
  ],
  attributes: attributeTypes,
  workspace: (attributes, { x, w, y }, dtype, plan) =>
    workspaceOf('forward', attributes, { x, w, y }, dtype, plan),
  choose: (attributes, { x, w, y }, plan) => chosen(attributes, { x, w, y }, plan),
  eager: {
    attributes: (shapes, options) => forwardCall(shapes, options).attributes,
    outputs: (shapes, _attributes, options) => ({ y: { shape: forwardCall(shapes, options).y } }),
  },
  backward(g) {
    const given = g.gradientOf('y');
    if (given === undefined || !(g.wants('x') || g.wants('w') || g.wants('b'))) return;
    let dy = given;
    if (g.attributes.activation === 1) {
      const y = g.operand('y');
      dy = g.temporary(y.shape, {
        batched: y.batched,
        name: 'dy',
        category: 'activationGradients',
      });
      g.emit(reluBackwardOp, { reserved: 0 }, { y, dy: given, dx: dy });
    }
    const attributes = { ...g.attributes, activation: 0 };
    g.contribute(['w', 'b'], ({ w: dw, b: db }) => {
      g.emit(convBackwardFilterOp, attributes, { x: g.operand('x'), dy, dw, db });
    });
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(convBackwardDataOp, attributes, { dy, w: g.operand('w'), dx });
    });
  },
});

export const convBackwardDataOp = defineOp({
  name: 'conv2dBackwardData',
  operands: [
    { name: 'dy', role: 'in' },
    { name: 'w', role: 'in' },
    { name: 'dx', role: 'out' },
    { name: 'workspace', role: 'out', optional: true, element: 'bytes' },
  ],
  attributes: attributeTypes,
  workspace: (attributes, { dy, w, dx }, dtype, plan) =>
    workspaceOf('backwardData', attributes, { x: dx, w, y: dy }, dtype, plan),
  choose: (attributes, { dy, w, dx }, plan) => chosen(attributes, { x: dx, w, y: dy }, plan),
  eager: {
    attributes: (shapes, options) => dataCall(shapes, options).attributes,
    outputs: (shapes, _attributes, options) => ({ dx: { shape: dataCall(shapes, options).dx } }),
  },
  // As a forward pass it is a transposed convolution: x and y change places.
  backward(g) {
    const x = g.gradientOf('dx');
    if (x === undefined) return;
    g.contribute(['w'], ({ w: dw }) => {
      g.emit(convBackwardFilterOp, g.attributes, { x, dy: g.operand('dy'), dw });
    });
    g.contribute(['dy'], ({ dy: y }) => {
      g.emit(convOp, g.attributes, { x, w: g.operand('w'), y });
    });
  },
});

export const convBackwardFilterOp = defineOp({
  name: 'conv2dBackwardFilter',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dw', role: 'out', optional: true, element: 'compute' },
    { name: 'db', role: 'out', optional: true, element: 'compute' },
    { name: 'workspace', role: 'out', optional: true, element: 'bytes' },
  ],
  attributes: attributeTypes,
  workspace: (attributes, { x, dy, dw }, dtype, plan) =>
    workspaceOf('backwardFilter', attributes, { x, w: dw, y: dy }, dtype, plan),
  choose: (attributes, { x, dy, dw }, plan) => chosen(attributes, { x, w: dw, y: dy }, plan),
  eager: {
    attributes: (shapes, options) => filterCall(shapes, options).attributes,
    outputs(shapes, _attributes, options) {
      const { dw, db } = filterCall(shapes, options);
      return { dw: { shape: dw }, ...(db === undefined ? {} : { db: { shape: db } }) };
    },
  },
});

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
