export { atHalfStride, type HalfStrideOptions } from './half-stride.js';
export { convolutionToDense } from './convolution-to-dense.js';
export { foldBatchNorm } from './fold-batch-norm.js';
export { im2col, type Im2colOptions } from './im2col.js';
export { slide, type SlideOptions } from './slide.js';
export { toDense } from './to-dense.js';
export { toFullyConvolutional } from './fully-convolutional.js';
export type { NetworkWithWeights } from './weighted.js';
