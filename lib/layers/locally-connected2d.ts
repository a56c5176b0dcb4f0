import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import {
  flag,
  initializer,
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
import { defineOp, type AttributeValues } from '../program/op.js';
import { batchAxes, eagerShape, type EagerShapes } from './eager.js';
import {
  placed,
  placementAttributes,
  placementAttributeTypes,
  placementRules,
  windowOf,
  type Placement,
} from './windows.js';

const attributeTypes = { sizeH: 'int32', sizeW: 'int32', ...placementAttributeTypes } as const;

interface Windows extends Placement {
  readonly size: readonly [number, number];
}

const windowRules: OptionRules<Windows> = { ...placementRules, size: pair };
const filterAxes = ['outHeight', 'outWidth', 'size * size * channels', 'filters'] as const;

function attributesOf(geometry: WindowGeometry, { size, stride }: Windows): AttributeValues {
  return { sizeH: size[0], sizeW: size[1], ...placementAttributes(geometry, stride) };
}

/** The options of an eager call over a plane, and where its windows lie. */
function eagerWindows<Options extends Windows>(
  kind: string,
  rules: OptionRules<Options>,
  plane: readonly [number, number],
  given: object,
): { options: Options; geometry: WindowGeometry; attributes: AttributeValues } {
  const options = readOptions(kind, rules, given);
  const geometry = placed(plane, options.size, options, 'exact');
  return { options, geometry, attributes: attributesOf(geometry, options) };
}

/** Throws unless `given` begins with the height and width that the windows have. */
function requirePositions(
  name: string,
  given: readonly number[],
  { height, width }: WindowGeometry,
): void {
  if (given[0] === height && given[1] === width) return;
  throw new ShapeError(`${name} has ${given[0]}x${given[1]} positions, not ${height}x${width}`, {
    remedy: 'There is one window for each position of the output.',
  });
}

function forwardCall(
  shapes: EagerShapes,
  options: object,
): { attributes: AttributeValues; y: number[] } {
  const [n, h, v] = eagerShape(shapes, 'x', batchAxes) as [number, number, number];
  const w = eagerShape(shapes, 'w', filterAxes);
  const call = eagerWindows('locallyConnected2d', windowRules, [h, v], options);
  requirePositions('w', w, call.geometry);
  return {
    attributes: call.attributes,
    y: [n, call.geometry.height, call.geometry.width, w[3]!],
  };
}

const dataRules = { ...windowRules, inputSize: pair };

function dataCall(
  shapes: EagerShapes,
  given: object,
): { attributes: AttributeValues; dx: number[] } {
  const dy = eagerShape(shapes, 'dy', batchAxes);
  const w = eagerShape(shapes, 'w', filterAxes);
  const { inputSize } = readOptions('locallyConnected2dBackwardData', dataRules, given);
  const { options, geometry, attributes } = eagerWindows(
    'locallyConnected2dBackwardData',
    dataRules,
    inputSize,
    given,
  );
  requirePositions('dy', dy.slice(1), geometry);
  const channels = w[2]! / (options.size[0] * options.size[1]);
  return { attributes, dx: [dy[0]!, ...inputSize, channels] };
}

const filterRules = { ...windowRules, bias: optional(flag, false) };

function filterCall(
  shapes: EagerShapes,
  given: object,
): { attributes: AttributeValues; dw: number[]; db: number[] | undefined } {
  const [, h, v, channels] = eagerShape(shapes, 'x', batchAxes) as [number, number, number, number];
  const dy = eagerShape(shapes, 'dy', batchAxes);
  const { options, geometry, attributes } = eagerWindows(
    'locallyConnected2dBackwardFilter',
    filterRules,
    [h, v],
    given,
  );
  requirePositions('dy', dy.slice(1), geometry);
  const [r, s] = options.size;
  return {
    attributes,
    dw: [dy[1]!, dy[2]!, r * s * channels, dy[3]!],
    db: options.bias ? dy.slice(1) : undefined,
  };
}

export const localOp = defineOp({
  name: 'locallyConnected2d',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'w', role: 'in' },
    { name: 'b', role: 'in', optional: true, element: 'compute' },
    { name: 'y', role: 'out' },
  ],
  attributes: attributeTypes,
  eager: {
    attributes: (shapes, options) => forwardCall(shapes, options).attributes,
    outputs: (shapes, _attributes, options) => ({ y: { shape: forwardCall(shapes, options).y } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['w', 'b'], ({ w: dw, b: db }) => {
      g.emit(localBackwardFilterOp, g.attributes, { x: g.operand('x'), dy, dw, db });
    });
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(localBackwardDataOp, g.attributes, { dy, w: g.operand('w'), dx });
    });
  },
});

export const localBackwardDataOp = defineOp({
  name: 'locallyConnected2dBackwardData',
  operands: [
    { name: 'dy', role: 'in' },
    { name: 'w', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes: attributeTypes,
  eager: {
    attributes: (shapes, options) => dataCall(shapes, options).attributes,
    outputs: (shapes, _attributes, options) => ({ dx: { shape: dataCall(shapes, options).dx } }),
  },
});

export const localBackwardFilterOp = defineOp({
  name: 'locallyConnected2dBackwardFilter',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dw', role: 'out', optional: true, element: 'compute' },
    { name: 'db', role: 'out', optional: true, element: 'compute' },
  ],
  attributes: attributeTypes,
  eager: {
    attributes: (shapes, options) => filterCall(shapes, options).attributes,
    outputs(shapes, _attributes, options) {
      const { dw, db } = filterCall(shapes, options);
      return { dw: { shape: dw }, ...(db === undefined ? {} : { db: { shape: db } }) };
    },
  },
});

export interface LocallyConnected2dOptions extends NamedOptions {
  /** Number of filters of each position: channels of the output. */
  filters: number;
  /** Filter height and width. */
  size: Pair;
  /** Pixels between neighbouring windows; default 1. */
  stride?: Pair;
  /** Zeros around the volume; default 0. */
  padding?: Padding;
  /** Adds one number for each output value; default true. */
  bias?: boolean;
  /** For a size that does not divide; default: the network's. */
  fit?: Fit;
  /** Start of the filters; default `heNormal()`. */
  init?: Initializer;
  /** Start of the bias; default `constant(0)`. */
  biasInit?: Initializer;
}

interface Options extends Windows {
  readonly filters: number;
  readonly bias: boolean;
  readonly init: Initializer;
  readonly biasInit: Initializer;
}

const make = defineLayer<Options>({
  kind: 'locallyConnected2d',
  prefix: 'local',
  arity: 1,
  options: {
    filters: positive,
    ...windowRules,
    bias: optional(flag, true),
    init: optional(initializer, heNormal()),
    biasInit: optional(initializer, constant(0)),
  },
  shape([x], options, { fit }) {
    const [height, width] = requireVolume(x!);
    const geometry = placed([height, width], options.size, options, fit);
    return [geometry.height, geometry.width, options.filters];
  },
  window([x], options, { fit }) {
    const [height, width] = requireVolume(x!);
    const geometry = placed([height, width], options.size, options, fit);
    return windowOf(geometry, options.size, options.stride);
  },
  flops: ([x], output, { size: [r, s], bias }) =>
    elementsOf(output) * (2 * r * s * x![2]! + (bias ? 1 : 0)),
  parameters([x], { size: [r, s], filters, bias, init, biasInit }, output) {
    const [height, width] = requireVolume(output);
    const depth = r * s * x![2]!;
    const fans = { fanIn: depth, fanOut: r * s * filters };
    const shape = [height, width, filters];
    const w = {
      name: 'w',
      shape: [height, width, depth, filters],
      init,
      trainable: true,
      ...fans,
    };
    const b = { name: 'b', shape, init: biasInit, trainable: true, ...fans };
    return bias ? [w, b] : [w];
  },
  forward(scope, [x], options) {
    const [height, width] = x!.shape as [number, number, number];
    const geometry = placed([height, width], options.size, options, scope.fit);
    const y = scope.tensor(scope.outputShape);
    scope.emit(localOp, attributesOf(geometry, options), {
      x,
      w: scope.parameter('w'),
      b: options.bias ? scope.parameter('b') : undefined,
      y,
    });
    return y;
  },
});

/**
 * A convolution that does not share its filters: every position `(p, q)` of the output `[P, Q, filters]`
 * has filters and biases of its own, for pictures whose places differ (faces that are centred). Windows
 * lie as those of `conv2d`: `P = (H - F + 2P)/S + 1`.
 *
 * Parameters: `w` `[P, Q, size * size * C, filters]`, the third axis in the order row, column, channel of
 * the window; `b` `[P, Q, filters]`. The default start is He's for a ReLU that follows, with zero bias.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for a size that does not divide (`fit`).
 */
export function locallyConnected2d(options: LocallyConnected2dOptions): Layer {
  return make(options);
}
