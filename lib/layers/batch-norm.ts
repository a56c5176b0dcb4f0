import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { elementsOf } from '../graph/shape.js';
import { flag, maybe, optional, readOptions, real, type OptionRules } from '../graph/options.js';
import { constant } from '../initializers/index.js';
import {
  defineOp,
  type AttributeValues,
  type Extent,
  type GradientScope,
  type OpDefinition,
} from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import type { EagerShapes } from './eager.js';

export interface BatchNormOptions extends NamedOptions {
  /** Added to the variance; default 1e-5. */
  epsilon?: number;
  /** Weight of the new batch in the running statistics, as in PyTorch; default 0.1. */
  momentum?: number;
  /**
   * Training too uses the running statistics and leaves them as they are, as PyTorch's layer in `eval()`:
   * gamma, beta and what lies before the layer go on learning. Default false.
   */
  frozen?: boolean;
}

interface OpOptions {
  readonly epsilon: number;
  readonly momentum: number;
}

interface Options extends OpOptions {
  readonly frozen?: boolean | undefined;
}

const opRules: OptionRules<OpOptions> = {
  epsilon: optional(
    real('a number above 0', (v) => v > 0),
    1e-5,
  ),
  momentum: optional(
    real('a number from 0 to 1', (v) => v >= 0 && v <= 1),
    0.1,
  ),
};

const rules: OptionRules<Options> = { ...opRules, frozen: maybe(flag) };

const attributes = { epsilon: 'float32', momentum: 'float32' } as const;

/**
 * Bytes that the op needs between its passes: 32 parts of the pixels leave two doubles a channel each,
 * the last pass takes four more (native/ops/batch_norm.h computes the same).
 */
function workspace(x: Tensor | undefined): Extent {
  return { fixed: (2 * 32 + 4) * 8 * x!.shape.at(-1)!, perImage: 0 };
}

function eagerAttributes(_shapes: EagerShapes, options: object): AttributeValues {
  return { ...readOptions('batchNorm', opRules, options) };
}

function perChannel(x: readonly number[]): { shape: readonly number[] } {
  return { shape: [x.at(-1)!] };
}

function emitBackward(g: GradientScope, op: OpDefinition): void {
  const dy = g.gradientOf('y');
  if (dy === undefined) return;
  g.contribute(['gamma', 'beta', 'x'], ({ gamma: dgamma, beta: dbeta, x: dx }) => {
    const [x, gamma] = [g.operand('x'), g.operand('gamma')];
    const [mean, variance] = [g.operand('mean'), g.operand('variance')];
    g.emit(op, g.attributes, { x, gamma, mean, variance, dy, dx, dgamma, dbeta });
  });
}

/** y as the forward pass of `batchNorm` gave it, to the bit, from what that left. */
export const batchNormApplyOp = defineOp({
  name: 'batchNormApply',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'mean', role: 'in', element: 'compute' },
    { name: 'scale', role: 'in', element: 'compute' },
    { name: 'offset', role: 'in', element: 'compute' },
    { name: 'y', role: 'out' },
  ],
  attributes,
  inPlace: [['y', 'x']],
});

export const batchNormOp = defineOp({
  name: 'batchNorm',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'gamma', role: 'in', element: 'compute' },
    { name: 'beta', role: 'in', element: 'compute' },
    { name: 'y', role: 'out' },
    { name: 'mean', role: 'out', element: 'compute' },
    { name: 'variance', role: 'out', element: 'compute' },
    { name: 'unbiased', role: 'out', element: 'compute' },
    { name: 'scale', role: 'out', optional: true, element: 'compute' },
    { name: 'offset', role: 'out', optional: true, element: 'compute' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  inPlace: [['y', 'x']],
  rebuild: { op: batchNormApplyOp, saved: ['scale', 'offset'], like: 'mean' },
  workspace: (_attributes, { x }) => workspace(x),
  eager: {
    attributes: eagerAttributes,
    outputs: ({ x }) => ({
      y: { shape: x! },
      mean: perChannel(x!),
      variance: perChannel(x!),
      unbiased: perChannel(x!),
    }),
  },
  backward: (g) => emitBackward(g, batchNormBackwardOp),
});

export const batchNormInferenceOp = defineOp({
  name: 'batchNormInference',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'gamma', role: 'in', element: 'compute' },
    { name: 'beta', role: 'in', element: 'compute' },
    { name: 'mean', role: 'in', element: 'compute' },
    { name: 'variance', role: 'in', element: 'compute' },
    { name: 'y', role: 'out' },
  ],
  attributes,
  inPlace: [['y', 'x']],
  eager: {
    attributes: eagerAttributes,
    outputs: ({ x }) => ({ y: { shape: x! } }),
  },
  // The statistics are constants.
  backward: (g) => emitBackward(g, batchNormFrozenBackwardOp),
});

const gradient: Omit<OpDefinition, 'name'> = {
  operands: [
    { name: 'x', role: 'in' },
    { name: 'gamma', role: 'in', element: 'compute' },
    { name: 'mean', role: 'in', element: 'compute' },
    { name: 'variance', role: 'in', element: 'compute' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out', optional: true },
    { name: 'dgamma', role: 'out', optional: true, element: 'compute' },
    { name: 'dbeta', role: 'out', optional: true, element: 'compute' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  workspace: (_attributes, { x }) => workspace(x),
  eager: {
    attributes: eagerAttributes,
    outputs: ({ x }) => ({ dx: { shape: x! }, dgamma: perChannel(x!), dbeta: perChannel(x!) }),
  },
};

export const batchNormBackwardOp = defineOp({ name: 'batchNormBackward', ...gradient });

/** Of the inference's arithmetic, for training with frozen statistics. */
export const batchNormFrozenBackwardOp = defineOp({
  name: 'batchNormFrozenBackward',
  ...gradient,
});

export const batchNormUpdateOp = defineOp({
  name: 'batchNormUpdate',
  operands: [
    { name: 'mean', role: 'in', element: 'compute' },
    { name: 'unbiased', role: 'in', element: 'compute' },
    { name: 'runningMean', role: 'out', element: 'compute' },
    { name: 'runningVariance', role: 'out', element: 'compute' },
  ],
  attributes,
});

const make = defineLayer<Options>({
  kind: 'batchNorm',
  prefix: 'bn',
  arity: 1,
  options: rules,
  inPlace: true,
  flops: ([x]) => 2 * elementsOf(x!),
  shape([x]) {
    if (x!.length === 1 || x!.length === 3) return x!;
    throw new ShapeError(`a volume [H, W, C] or a vector [C] is needed, not [${x!.join(', ')}]`, {
      remedy: 'Reshape before the layer.',
    });
  },
  parameters([x]) {
    const shape = [x!.at(-1)!];
    const fans = { fanIn: 1, fanOut: 1 };
    return [
      { name: 'gamma', shape, init: constant(1), trainable: true, ...fans },
      { name: 'beta', shape, init: constant(0), trainable: true, ...fans },
      { name: 'mean', shape, init: constant(0), trainable: false, ...fans },
      { name: 'variance', shape, init: constant(1), trainable: false, ...fans },
    ];
  },
  forward(scope, [x], options) {
    const { epsilon, momentum, frozen = false } = options;
    const attributes = { epsilon, momentum };
    const [gamma, beta] = [scope.parameter('gamma'), scope.parameter('beta')];
    const [runningMean, runningVariance] = [scope.parameter('mean'), scope.parameter('variance')];
    const y = scope.tensor(scope.outputShape);
    if (scope.mode === 'infer' || frozen) {
      const statistics = { mean: runningMean, variance: runningVariance };
      scope.emit(batchNormInferenceOp, attributes, { x, gamma, beta, ...statistics, y });
      return y;
    }
    const perChannel = (name: string): Tensor =>
      scope.tensor([x!.shape.at(-1)!], { batched: false, name });
    const [mean, variance] = [perChannel('mean'), perChannel('variance')];
    const unbiased = perChannel('unbiased');
    scope.emit(batchNormOp, attributes, { x, gamma, beta, y, mean, variance, unbiased });
    scope.commit(batchNormUpdateOp, attributes, {
      mean,
      unbiased,
      runningMean: { tensor: runningMean, access: 'accumulate' },
      runningVariance: { tensor: runningVariance, access: 'accumulate' },
    });
    return y;
  },
});

/**
 * Batch normalisation (Ioffe and Szegedy 2015) by channel:
 * `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`. Volumes `[H, W, C]` and vectors `[C]` keep
 * their shape. Training uses the statistics of the batch and moves the running ones (the variance with
 * N/(N-1), as PyTorch); inference uses the running ones, training too where the layer is `frozen`.
 *
 * Parameters: `gamma`, `beta`, and the state `mean`, `variance`, each `[C]`. A batch with one value a
 * channel has no variance: training refuses it.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown or out of range.
 */
export function batchNorm(options: BatchNormOptions = {}): Layer {
  return make(options);
}
