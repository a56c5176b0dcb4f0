import { invalid } from '../graph/options.js';
import { scope } from '../graph/names.js';
import { network, type Network } from '../graph/network.js';
import { dense, dropout, globalAvgPool2d } from '../layers/index.js';
import { convNormRelu } from './chain.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

export interface MobilenetOptions extends ModelOptions {
  /** Multiplies the channels of every layer (the paper's alpha); default 1. */
  width?: number;
  /** Before the last layer; default 0.001 (Keras). */
  dropout?: number;
}

/** Channels and stride of the separable convolutions (table 1 of the paper). */
const body: readonly (readonly [number, 1 | 2])[] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  ...Array.from({ length: 5 }, () => [512, 1] as const),
  [1024, 2],
  [1024, 1],
];

/**
 * MobileNet (Howard et al., arXiv:1704.04861): a 3x3 convolution for each channel, then a 1x1 convolution
 * over all, each with batch normalisation and ReLU. 4,231,976 parameters.
 *
 * @throws StriateError INVALID_ARGUMENT for a width that is not above 0.
 */
export function mobilenet(options: MobilenetOptions = {}): Network {
  const {
    images,
    classes,
    width,
    dropout: rate,
  } = readModelOptions('mobilenet', options, {
    ...imageNet,
    width: 1,
    dropout: 0.001,
  });
  if (!(width > 0 && width <= 16))
    throw invalid(`models.mobilenet: width is ${width}`, 'Give a number above 0, up to 16.');
  const scaled = (filters: number): number => Math.max(1, Math.floor(filters * width));
  let channels = scaled(32);
  let y = convNormRelu(images, { filters: channels, size: 3, stride: 2, padding: 1 });
  for (const [i, [filters, stride]] of body.entries()) {
    y = scope(`separable${i + 1}`, () => {
      const each = { filters: channels, groups: channels, size: 3, stride, padding: 1 };
      return convNormRelu(convNormRelu(y, each), { filters: scaled(filters), size: 1 });
    });
    channels = scaled(filters);
  }
  const head = dense({ units: classes, name: 'head' });
  return network(images, head(dropout({ rate })(globalAvgPool2d()(y))), { fit: 'crop' });
}
