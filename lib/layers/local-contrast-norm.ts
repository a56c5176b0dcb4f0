import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, optional, positive, readOptions, real, type OptionRules } from '../graph/options.js';
import { elementsOf, requireVolume } from '../graph/shape.js';
import { defineOp, type AttributeValues, type Extent } from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import { batchAxes, eagerShape, type EagerShapes } from './eager.js';

export interface LocalContrastNormOptions extends NamedOptions {
  /** Extent of the window in pixels; an even one reaches one further back than ahead, as cuda-convnet's. */
  size: number;
  /** Default 1e-4. */
  alpha?: number;
  /** Default 0.75. */
  beta?: number;
  /** Default 1. */
  k?: number;
  /** Whether alpha is divided by the values of a whole window, size^2, as cuda-convnet does; default true. */
  divideAlpha?: boolean;
}

interface Options {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  readonly divideAlpha: boolean;
}

const aboveZero = real('a number above 0', (v) => v > 0);

const rules: OptionRules<Options> = {
  size: positive,
  alpha: optional(
    real('a number, 0 or more', (v) => v >= 0),
    1e-4,
  ),
  beta: optional(aboveZero, 0.75),
  k: optional(aboveZero, 1),
  divideAlpha: optional(flag, true),
};

const attributes = { size: 'int32', scale: 'float32', beta: 'float32', k: 'float32' } as const;

function attributesOf({ size, alpha, beta, k, divideAlpha }: Options): AttributeValues {
  return { size, scale: divideAlpha ? alpha / (size * size) : alpha, beta, k };
}

function eagerAttributes(_shapes: EagerShapes, given: object): AttributeValues {
  return attributesOf(readOptions('localContrastNorm', rules, given));
}

/** Volumes in the compute type (native/ops/local_contrast_norm.h computes the same). */
function workspace(volumes: number, x: Tensor | undefined, dtype: 'float32' | 'float64'): Extent {
  const bytes = dtype === 'float64' ? 8 : 4;
  return { fixed: 0, perImage: volumes * elementsOf(x!.shape) * bytes };
}

export const localContrastNormOp = defineOp({
  name: 'localContrastNorm',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  workspace: (_attributes, { x }, dtype) => workspace(1, x, dtype),
  eager: {
    attributes: eagerAttributes,
    outputs: (shapes) => ({ y: { shape: eagerShape(shapes, 'x', batchAxes) } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(localContrastNormBackwardOp, g.attributes, { x: g.operand('x'), dy, dx });
    });
  },
});

export const localContrastNormBackwardOp = defineOp({
  name: 'localContrastNormBackward',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  workspace: (_attributes, { x }, dtype) => workspace(3, x, dtype),
  eager: {
    attributes: eagerAttributes,
    outputs: (shapes) => ({ dx: { shape: eagerShape(shapes, 'x', batchAxes) } }),
  },
});

const make = defineLayer<Options>({
  kind: 'localContrastNorm',
  prefix: 'norm',
  arity: 1,
  options: rules,
  shape([x]) {
    requireVolume(x!);
    return x!;
  },
  // The windows of the means around those of the sums.
  window(_inputs, { size }) {
    const [extent, before] = [2 * size - 1, 2 * Math.floor(size / 2)];
    return { size: [extent, extent], stride: [1, 1], before: [before, before] };
  },
  // An addition for each value of a window, a square and an addition for each, quotient, power, product.
  flops: (_inputs, output, { size }) => elementsOf(output) * (3 * size * size + 4),
  forward(scope, [x], options) {
    const y = scope.tensor(scope.outputShape);
    scope.emit(localContrastNormOp, attributesOf(options), { x, y });
    return y;
  },
});

/**
 * Local contrast normalisation as cuda-convnet has it (Krizhevsky, layer type `cnorm`): as
 * `localResponseNorm` within a channel, of what is left of x without the mean of its surroundings:
 * `y = x / (k + alpha * sum of (x - mean)^2 over a window)^beta`. Each value's mean is over its own window,
 * `size` x `size` pixels of the channel, of which the part inside the volume counts. Volumes `[H, W, C]`
 * keep their shape.
 *
 * The gradient is the whole one; cuda-convnet's takes the means for constants.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range; ShapeError,
 * when the network is made, for what is no volume.
 */
export function localContrastNorm(options: LocalContrastNormOptions): Layer {
  return make(options);
}
