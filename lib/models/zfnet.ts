import type { Layer } from '../graph/layer.js';
import { network, type Network } from '../graph/network.js';
import {
  conv2d,
  dense,
  dropout,
  flatten,
  localResponseNorm,
  maxPool2d,
  relu,
} from '../layers/index.js';
import { chain } from './chain.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

export interface ZfnetOptions extends ModelOptions {
  /** Before the last two dense layers; default 0.5. */
  dropout?: number;
}

/**
 * ZFNet (Zeiler and Fergus, arXiv:1311.2901, figure 3): AlexNet with a first layer of 7x7 at stride 2, no
 * groups, 5x5 at stride 2 in the second. Planes of 110, 55, 26, 13, 13 and 6 pixels. The paper normalises
 * "across feature maps" without numbers: here as AlexNet does, n = 5, k = 2, alpha = 1e-4, beta = 0.75.
 * 62,357,608 parameters for 224x224x3.
 */
export function zfnet(options: ZfnetOptions = {}): Network {
  const {
    images,
    classes,
    dropout: rate,
  } = readModelOptions('zfnet', options, { ...imageNet, dropout: 0.5 });
  const pool = (): Layer => maxPool2d({ size: 3, stride: 2, fit: 'pad' });
  const norm = (): Layer =>
    localResponseNorm({ size: 5, alpha: 1e-4, beta: 0.75, k: 2, divideAlpha: false });
  const y = chain(images, [
    conv2d({ filters: 96, size: 7, stride: 2, padding: 1 }),
    relu(),
    pool(),
    norm(),
    conv2d({ filters: 256, size: 5, stride: 2 }),
    relu(),
    pool(),
    norm(),
    ...[384, 384, 256].flatMap((filters) => [conv2d({ filters, size: 3, padding: 1 }), relu()]),
    pool(),
    flatten(),
    ...[0, 1].flatMap(() => [dense({ units: 4096 }), relu(), dropout({ rate })]),
    dense({ units: classes, name: 'head' }),
  ]);
  return network(images, y, { fit: 'crop' });
}
