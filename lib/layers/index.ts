import '../program/normalize.js';

export { add } from './add.js';
export { scale, shift } from './affine.js';
export { avgPool2d, type AvgPool2dOptions } from './avg-pool2d.js';
export { batchNorm, type BatchNormOptions } from './batch-norm.js';
export { concat } from './concat.js';
export { conv2d, type Conv2dOptions } from './conv2d.js';
export { convTranspose2d, type ConvTranspose2dOptions } from './conv-transpose2d.js';
export {
  customLayer,
  registerLayer,
  type CustomLayerFactory,
  type CustomLayerOptions,
  type LayerFunction,
} from './custom.js';
export { dense, type DenseOptions } from './dense.js';
export { depthwiseConv2d, type DepthwiseConv2dOptions } from './depthwise-conv2d.js';
export { div } from './div.js';
export { dropout, type DropoutOptions } from './dropout.js';
export { elu, type EluOptions } from './elu.js';
export { flatten } from './flatten.js';
export { gelu, type GeluOptions } from './gelu.js';
export { globalAvgPool2d } from './global-avg-pool2d.js';
export { globalMaxPool2d } from './global-max-pool2d.js';
export { groupNorm, type GroupNormOptions } from './group-norm.js';
export { hardSigmoid } from './hard-sigmoid.js';
export { hardSwish } from './hard-swish.js';
export { l2Pool2d } from './l2-pool2d.js';
export { locallyConnected2d, type LocallyConnected2dOptions } from './locally-connected2d.js';
export { localContrastNorm, type LocalContrastNormOptions } from './local-contrast-norm.js';
export { localResponseNorm, type LocalResponseNormOptions } from './local-response-norm.js';
export { leakyRelu, type LeakyReluOptions } from './leaky-relu.js';
export { maxPool2d } from './max-pool2d.js';
export { maxout, type MaxoutOptions } from './maxout.js';
export { mul } from './mul.js';
export { multiply } from './multiply.js';
export { prelu, type PreluOptions } from './prelu.js';
export {
  crop2d,
  pad2d,
  zeroPad2d,
  type Crop2dOptions,
  type Pad2dOptions,
  type PadMode,
  type ZeroPad2dOptions,
} from './pad2d.js';
export { mean, sum } from './reduce.js';
export { relu } from './relu.js';
export { relu6 } from './relu6.js';
export { reshape } from './reshape.js';
export { sigmoid } from './sigmoid.js';
export { silu } from './silu.js';
export { softplus, type SoftplusOptions } from './softplus.js';
export { sub } from './sub.js';
export { tanh } from './tanh.js';
export { abs, exp, log, neg, sqrt, square } from './unary.js';
export { upsample2d, type Upsample2dOptions, type UpsampleMode } from './upsample2d.js';
export type { PoolOptions } from './pooling.js';
