import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import {
  describe,
  flag,
  invalid,
  optional,
  positive,
  readOptions,
  real,
  type OptionRule,
  type OptionRules,
} from '../graph/options.js';
import { elementsOf, requireVolume } from '../graph/shape.js';
import { defineOp, type AttributeValues, type Extent } from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import { batchAxes, eagerShape, type EagerShapes } from './eager.js';

export interface LocalResponseNormOptions extends NamedOptions {
  /**
   * Extent of the window, n in the paper. An even one reaches one further back than ahead, as PyTorch's
   * and cuda-convnet's. Caffe knows odd ones only.
   */
  size: number;
  /** Default 1e-4. */
  alpha?: number;
  /** Default 0.75. */
  beta?: number;
  /** Default 1, as PyTorch and Caffe; the paper's is 2. */
  k?: number;
  /**
   * `'across'` (the default): a window of `size` channels at one pixel. `'within'`: `size` x `size` pixels
   * of one channel (Caffe's `WITHIN_CHANNEL`).
   */
  region?: 'across' | 'within';
  /**
   * Whether alpha is divided by the values of a whole window, n or n^2: `true` (the default) as PyTorch,
   * Caffe and cuda-convnet, `false` as the paper's formula. Values beyond the border count as zeros.
   */
  divideAlpha?: boolean;
}

type Region = 'across' | 'within';

interface Options {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  readonly region: Region;
  readonly divideAlpha: boolean;
}

const region: OptionRule<Region> = {
  read(value, where) {
    if (value === 'across' || value === 'within') return value;
    throw invalid(`${where} is ${describe(value)}`, `Give 'across' or 'within'.`);
  },
};
const aboveZero = real('a number above 0', (v) => v > 0);

const rules: OptionRules<Options> = {
  size: positive,
  alpha: optional(
    real('a number, 0 or more', (v) => v >= 0),
    1e-4,
  ),
  beta: optional(aboveZero, 0.75),
  k: optional(aboveZero, 1),
  region: optional(region, 'across'),
  divideAlpha: optional(flag, true),
};

const attributes = {
  size: 'int32',
  region: 'int32',
  scale: 'float32',
  beta: 'float32',
  k: 'float32',
} as const;

const values = ({ size, region }: Options): number => (region === 'within' ? size * size : size);

function attributesOf(options: Options): AttributeValues {
  const { size, alpha, beta, k, region, divideAlpha } = options;
  return {
    size,
    region: region === 'within' ? 1 : 0,
    scale: divideAlpha ? alpha / values(options) : alpha,
    beta,
    k,
  };
}

function eagerAttributes(_shapes: EagerShapes, given: object): AttributeValues {
  return attributesOf(readOptions('localResponseNorm', rules, given));
}

/** One volume in the compute type (native/ops/local_response_norm.h computes the same). */
function workspace(x: Tensor | undefined, dtype: 'float32' | 'float64'): Extent {
  return { fixed: 0, perImage: elementsOf(x!.shape) * (dtype === 'float64' ? 8 : 4) };
}

export const localResponseNormOp = defineOp({
  name: 'localResponseNorm',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes,
  eager: {
    attributes: eagerAttributes,
    outputs: (shapes) => ({ y: { shape: eagerShape(shapes, 'x', batchAxes) } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(localResponseNormBackwardOp, g.attributes, { x: g.operand('x'), dy, dx });
    });
  },
});

export const localResponseNormBackwardOp = defineOp({
  name: 'localResponseNormBackward',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  workspace: (_attributes, { x }, dtype) => workspace(x, dtype),
  eager: {
    attributes: eagerAttributes,
    outputs: (shapes) => ({ dx: { shape: eagerShape(shapes, 'x', batchAxes) } }),
  },
});

const make = defineLayer<Options>({
  kind: 'localResponseNorm',
  prefix: 'norm',
  arity: 1,
  options: rules,
  shape([x]) {
    requireVolume(x!);
    return x!;
  },
  window: (_inputs, { region, size }) => {
    const [extent, before] = region === 'within' ? [size, Math.floor(size / 2)] : [1, 0];
    return { size: [extent, extent], stride: [1, 1], before: [before, before] };
  },
  // A square and an addition for each value of a window, the power, and the product.
  flops: (_inputs, output, options) => elementsOf(output) * (2 * values(options) + 2),
  forward(scope, [x], options) {
    const y = scope.tensor(scope.outputShape);
    scope.emit(localResponseNormOp, attributesOf(options), { x, y });
    return y;
  },
});

/**
 * Local response normalisation (Krizhevsky, Sutskever and Hinton 2012, section 3.3):
 * `y = x / (k + alpha * sum of x^2 over a window)^beta`; volumes `[H, W, C]` keep their shape. The window
 * lies across channels or within one.
 *
 * The paper's formula takes alpha as it is; PyTorch, Caffe and cuda-convnet divide it by the values of the
 * window: `divideAlpha` says which. The AlexNet of the paper is `{ size: 5, alpha: 1e-4, beta: 0.75, k: 2,
 * divideAlpha: false }`; Caffe's is `{ size: 5, alpha: 1e-4, beta: 0.75 }`.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range; ShapeError,
 * when the network is made, for what is no volume.
 */
export function localResponseNorm(options: LocalResponseNormOptions): Layer {
  return make(options);
}
