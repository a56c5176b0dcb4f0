export { customLoss, type LossFunction } from './custom.js';
export type { Loss, LossResult, TargetSpec } from './loss.js';
export { softmaxCrossEntropy, type SoftmaxCrossEntropyOptions } from './softmax-cross-entropy.js';
