import type { Fit, Padding, Pair, Sides } from '../graph/shape.js';
import type { PadMode } from '../layers/pad2d.js';
import type { UpsampleMode } from '../layers/upsample2d.js';
import type { Tensor } from './tensor.js';

/** Where the windows of a convolution or pooling lie; as in the layers. */
export interface EagerWindows {
  stride?: Pair;
  padding?: Padding;
  fit?: Fit;
}

export interface EagerConvolution extends EagerWindows {
  dilation?: Pair;
  groups?: number;
}

/** A locally connected layer; `size` is the filter's. */
export interface EagerLocal extends EagerWindows {
  size: Pair;
}

export interface EagerPooling extends EagerWindows {
  size: Pair;
}

export interface EagerPadding {
  padding: Pair | Partial<Sides>;
  mode?: PadMode;
}

export interface EagerResizing {
  mode?: UpsampleMode;
  alignCorners?: boolean;
}

/** Height and width of the forward pass's input. */
export interface InputSize {
  inputSize: Pair;
}

export interface EagerBatchNorm {
  epsilon?: number;
  momentum?: number;
}

export interface EagerGroupNorm {
  groups: number;
  epsilon?: number;
}

export interface EagerLocalContrastNorm {
  size: number;
  alpha?: number;
  beta?: number;
  k?: number;
  divideAlpha?: boolean;
}

export interface EagerLocalResponseNorm extends EagerLocalContrastNorm {
  region?: 'across' | 'within';
}

export interface EagerDropout {
  rate: number;
  /** Names the stream of random numbers. */
  name?: string;
  seed?: number;
  step?: number;
  sampleOffset?: number;
}

export type FloatType = 'float32' | 'float64' | 'bfloat16' | 'float16';
export type ActivationKind =
  | 'leakyRelu'
  | 'elu'
  | 'sigmoid'
  | 'tanh'
  | 'softplus'
  | 'silu'
  | 'gelu'
  | 'geluTanh'
  | 'hardSwish'
  | 'hardSigmoid'
  | 'relu6';
export interface EagerActivation {
  kind: ActivationKind;
  /** The slope of `leakyRelu`, the alpha of `elu`, the beta of `softplus`; as in PyTorch by default. */
  alpha?: number;
  /** Of `softplus`. */
  threshold?: number;
}
export type UnaryKind = 'neg' | 'square' | 'sqrt' | 'exp' | 'log' | 'abs';
export type BinaryKind = 'add' | 'sub' | 'mul' | 'div';
export type ReduceKind = 'sum' | 'mean';
export type ElementLossKind =
  'meanSquaredError' | 'meanAbsoluteError' | 'huber' | 'sigmoidCrossEntropy';

/**
 * Ops as functions: tensors in, new tensors out; shapes include the batch, volumes are
 * `[n, height, width, channels]`. Each resolves when it has run, in the order of the calls. float64
 * where an input is; volumes have 16 bits where an input has (on CUDA devices), what is always kept in
 * full is float32.
 *
 * They throw StriateError INVALID_ARGUMENT, INVALID_SHAPE, DISPOSED, OUT_OF_DEVICE_MEMORY.
 */
export interface EagerOps {
  /** x `[n, h, w, c]`, w `[r, s, c / groups, k]`, b `[k]` to y `[n, p, q, k]`. */
  conv2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | null | undefined,
    options?: EagerConvolution & { activation?: 'none' | 'relu' },
  ): Promise<Tensor>;
  conv2d(
    x: Tensor,
    w: Tensor,
    options?: EagerConvolution & { activation?: 'none' | 'relu' },
  ): Promise<Tensor>;
  /** dx `[n, h, w, c]`. */
  conv2dBackwardData(dy: Tensor, w: Tensor, options: EagerConvolution & InputSize): Promise<Tensor>;
  /** dw `[r, s, c / groups, k]`; with `bias: true` db `[k]` too. `size` is the filter's. */
  conv2dBackwardFilter(
    x: Tensor,
    dy: Tensor,
    options: EagerConvolution & { size: Pair; bias: true },
  ): Promise<{ dw: Tensor; db: Tensor }>;
  conv2dBackwardFilter(
    x: Tensor,
    dy: Tensor,
    options: EagerConvolution & { size: Pair; bias?: false },
  ): Promise<Tensor>;

  /** x `[n, h, w, c]`, w `[p, q, r * s * c, k]`, b `[p, q, k]` to y `[n, p, q, k]`. */
  locallyConnected2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | null | undefined,
    options: EagerLocal,
  ): Promise<Tensor>;
  locallyConnected2dBackwardData(
    dy: Tensor,
    w: Tensor,
    options: EagerLocal & InputSize,
  ): Promise<Tensor>;
  /** dw `[p, q, r * s * c, k]`; with `bias: true` db `[p, q, k]` too. */
  locallyConnected2dBackwardFilter(
    x: Tensor,
    dy: Tensor,
    options: EagerLocal & { bias: true },
  ): Promise<{ dw: Tensor; db: Tensor }>;
  locallyConnected2dBackwardFilter(
    x: Tensor,
    dy: Tensor,
    options: EagerLocal & { bias?: false },
  ): Promise<Tensor>;

  /** With `switches: true` also the winner's place in each window, which the gradient needs. */
  maxPool2d(
    x: Tensor,
    options: EagerPooling & { switches: true },
  ): Promise<{ y: Tensor; switches: Tensor }>;
  maxPool2d(x: Tensor, options: EagerPooling & { switches?: false }): Promise<Tensor>;
  maxPool2dBackward(
    dy: Tensor,
    switches: Tensor,
    options: EagerPooling & InputSize,
  ): Promise<Tensor>;
  avgPool2d(x: Tensor, options: EagerPooling & { countPadding?: boolean }): Promise<Tensor>;
  avgPool2dBackward(
    dy: Tensor,
    options: EagerPooling & InputSize & { countPadding?: boolean },
  ): Promise<Tensor>;

  l2Pool2d(x: Tensor, options: EagerPooling): Promise<Tensor>;
  l2Pool2dBackward(x: Tensor, y: Tensor, dy: Tensor, options: EagerPooling): Promise<Tensor>;
  localContrastNorm(x: Tensor, options: EagerLocalContrastNorm): Promise<Tensor>;
  localContrastNormBackward(
    x: Tensor,
    dy: Tensor,
    options: EagerLocalContrastNorm,
  ): Promise<Tensor>;
  localResponseNorm(x: Tensor, options: EagerLocalResponseNorm): Promise<Tensor>;
  localResponseNormBackward(
    x: Tensor,
    dy: Tensor,
    options: EagerLocalResponseNorm,
  ): Promise<Tensor>;

  pad2d(x: Tensor, options: EagerPadding & { value?: number }): Promise<Tensor>;
  pad2dBackward(dy: Tensor, options: EagerPadding): Promise<Tensor>;
  /** Exactly one of `scale` and `size`. */
  resize2d(x: Tensor, options: EagerResizing & { scale?: Pair; size?: Pair }): Promise<Tensor>;
  resize2dBackward(dy: Tensor, options: EagerResizing & InputSize): Promise<Tensor>;

  /** x `[n, h, w, c]`, b `[c]`. */
  addBias(x: Tensor, b: Tensor): Promise<Tensor>;
  relu(x: Tensor): Promise<Tensor>;
  reluBackward(y: Tensor, dy: Tensor): Promise<Tensor>;
  activation(x: Tensor, options: EagerActivation): Promise<Tensor>;
  /** y for leakyRelu, elu, sigmoid, tanh and relu6, x for the others; the other one is null. */
  activationBackward(
    x: Tensor | null,
    y: Tensor | null,
    dy: Tensor,
    options: EagerActivation,
  ): Promise<Tensor>;
  unary(x: Tensor, options: { kind: UnaryKind }): Promise<Tensor>;
  unaryBackward(x: Tensor, y: Tensor, dy: Tensor, options: { kind: UnaryKind }): Promise<Tensor>;
  /** w `[c]`, or `[1]` for one slope. */
  prelu(x: Tensor, w: Tensor): Promise<Tensor>;
  preluBackward(x: Tensor, w: Tensor, dy: Tensor): Promise<{ dx: Tensor; dw: Tensor }>;
  /** With `switches: true` also the winner's place in each group, which the gradient needs. */
  maxout(
    x: Tensor,
    options: { pieces: number; switches: true },
  ): Promise<{ y: Tensor; switches: Tensor }>;
  maxout(x: Tensor, options: { pieces: number; switches?: false }): Promise<Tensor>;
  maxoutBackward(dy: Tensor, switches: Tensor, options: { pieces: number }): Promise<Tensor>;
  /** x `[n, h, w, c]`, gate `[n, 1, 1, c]`. */
  gate(x: Tensor, gate: Tensor): Promise<Tensor>;
  gateBackward(x: Tensor, gate: Tensor, dy: Tensor): Promise<{ dx: Tensor; dgate: Tensor }>;
  /** b has a's shape, or is one number (shape `[]`). */
  binary(a: Tensor, b: Tensor, options: { kind: BinaryKind }): Promise<Tensor>;
  dropout(x: Tensor, options: EagerDropout): Promise<Tensor>;

  /** One number, shape `[]`. */
  reduce(x: Tensor, options: { kind: ReduceKind }): Promise<Tensor>;
  /** The gradient of `reduce`: every element is x, or x over their number. */
  broadcast(x: Tensor, options: { kind: ReduceKind; shape: readonly number[] }): Promise<Tensor>;
  /** `alpha x + beta`; by default a copy. `dtype` converts between float32 and the 16-bit types. */
  copy(x: Tensor, options?: { alpha?: number; beta?: number; dtype?: FloatType }): Promise<Tensor>;
  fill(options: { value?: number; shape: readonly number[]; dtype?: FloatType }): Promise<Tensor>;
  /** `(x scale - mean) / std` by channel; x may be uint8, and `dtype` a 16-bit type. */
  normalize(
    x: Tensor,
    mean: Tensor | null | undefined,
    std: Tensor | null | undefined,
    options?: { scale?: number; dtype?: FloatType },
  ): Promise<Tensor>;

  /** With the batch's statistics, each `[c]`. */
  batchNorm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    options?: EagerBatchNorm,
  ): Promise<{ y: Tensor; mean: Tensor; variance: Tensor; unbiased: Tensor }>;
  batchNormInference(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    variance: Tensor,
    options?: EagerBatchNorm,
  ): Promise<Tensor>;
  batchNormBackward(
    x: Tensor,
    gamma: Tensor,
    mean: Tensor,
    variance: Tensor,
    dy: Tensor,
    options?: EagerBatchNorm,
  ): Promise<{ dx: Tensor; dgamma: Tensor; dbeta: Tensor }>;
  /** Of `batchNormInference`, whose statistics are constants. */
  batchNormFrozenBackward(
    x: Tensor,
    gamma: Tensor,
    mean: Tensor,
    variance: Tensor,
    dy: Tensor,
    options?: EagerBatchNorm,
  ): Promise<{ dx: Tensor; dgamma: Tensor; dbeta: Tensor }>;

  groupNorm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    options: EagerGroupNorm,
  ): Promise<{ y: Tensor; groupMean: Tensor; groupVariance: Tensor }>;
  groupNormBackward(
    x: Tensor,
    gamma: Tensor,
    groupMean: Tensor,
    groupVariance: Tensor,
    dy: Tensor,
    options: EagerGroupNorm,
  ): Promise<{ dx: Tensor; dgamma: Tensor; dbeta: Tensor }>;

  softmax(x: Tensor): Promise<Tensor>;
  /**
   * logits `[n, classes]`, labels int32 `[n]` to losses `[n]` and statistics `[4]`: sum of the losses,
   * labels that count, how many of them first, how many among the first five.
   */
  softmaxCrossEntropy(
    logits: Tensor,
    labels: Tensor,
    options?: { ignoreLabel?: number },
  ): Promise<{ losses: Tensor; statistics: Tensor }>;
  softmaxCrossEntropyBackward(
    logits: Tensor,
    labels: Tensor,
    statistics: Tensor,
    options?: { ignoreLabel?: number; lossScale?: number },
  ): Promise<Tensor>;

  /**
   * As `softmaxCrossEntropy`, with smoothed labels and weights `[classes]`; statistics `[5]` end in what the
   * sum is divided by.
   */
  weightedCrossEntropy(
    logits: Tensor,
    labels: Tensor,
    weights?: Tensor | null,
    options?: { ignoreLabel?: number; labelSmoothing?: number },
  ): Promise<{ losses: Tensor; statistics: Tensor }>;
  weightedCrossEntropyBackward(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | null | undefined,
    statistics: Tensor,
    options?: { ignoreLabel?: number; labelSmoothing?: number; lossScale?: number },
  ): Promise<Tensor>;
  /** With distributions `[n, classes]` as targets. */
  softCrossEntropy(
    logits: Tensor,
    target: Tensor,
    weights?: Tensor | null,
    options?: { labelSmoothing?: number },
  ): Promise<{ losses: Tensor; statistics: Tensor }>;
  softCrossEntropyBackward(
    logits: Tensor,
    target: Tensor,
    weights: Tensor | null | undefined,
    statistics: Tensor,
    options?: { labelSmoothing?: number; lossScale?: number },
  ): Promise<Tensor>;
  /** logits `[n, classes]`, labels int32 `[n]`; statistics `[4]` as of `softmaxCrossEntropy`. */
  svmHinge(
    logits: Tensor,
    labels: Tensor,
    options?: { margin?: number; squared?: boolean; ignoreLabel?: number },
  ): Promise<{ losses: Tensor; statistics: Tensor }>;
  svmHingeBackward(
    logits: Tensor,
    labels: Tensor,
    statistics: Tensor,
    options?: { margin?: number; squared?: boolean; ignoreLabel?: number; lossScale?: number },
  ): Promise<Tensor>;
  /** x and target `[n, elements]` to losses `[n]`, means over the elements, and statistics `[4]`. */
  elementLoss(
    x: Tensor,
    target: Tensor,
    options: { kind: ElementLossKind; delta?: number },
  ): Promise<{ losses: Tensor; statistics: Tensor }>;
  elementLossBackward(
    x: Tensor,
    target: Tensor,
    statistics: Tensor,
    options: { kind: ElementLossKind; delta?: number; lossScale?: number },
  ): Promise<Tensor>;
}
