import { scope } from '../graph/names.js';
import { invalid } from '../graph/options.js';
import { network, type Network } from '../graph/network.js';
import type { Value } from '../graph/value.js';
import { concat, dense, dropout, globalAvgPool2d, maxPool2d } from '../layers/index.js';
import { convNormRelu } from './chain.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

export interface GooglenetBnOptions extends ModelOptions {
  /** The filters of the third branch: 3 as torchvision has it (default), or 5 as the paper says. */
  wideFilter?: 3 | 5;
  /** Before the last layer; default 0.2 (torchvision). */
  dropout?: number;
}

/** Filters of an inception module: 1x1; 3x3 and its reduction; the wide branch and its; after pooling. */
type Inception = readonly [number, number, number, number, number, number];

/** Table 1 of "Going deeper with convolutions". */
const modules: readonly (readonly [string, Inception])[] = [
  ['inception3a', [64, 96, 128, 16, 32, 32]],
  ['inception3b', [128, 128, 192, 32, 96, 64]],
  ['inception4a', [192, 96, 208, 16, 48, 64]],
  ['inception4b', [160, 112, 224, 24, 64, 64]],
  ['inception4c', [128, 128, 256, 24, 64, 64]],
  ['inception4d', [112, 144, 288, 32, 64, 64]],
  ['inception4e', [256, 160, 320, 32, 128, 128]],
  ['inception5a', [256, 160, 320, 32, 128, 128]],
  ['inception5b', [384, 192, 384, 48, 128, 128]],
];

const epsilon = 0.001;

/**
 * GoogLeNet (Szegedy et al., arXiv:1409.4842) with batch normalisation in place of response normalisation
 * and without auxiliary classifiers, as torchvision's `googlenet`. 6,624,904 parameters.
 */
export function googlenetBn(options: GooglenetBnOptions = {}): Network {
  const {
    images,
    classes,
    wideFilter,
    dropout: rate,
  } = readModelOptions('googlenetBn', options, {
    ...imageNet,
    wideFilter: 3,
    dropout: 0.2,
  });
  if (wideFilter !== 3 && (wideFilter as number) !== 5)
    throw invalid(`models.googlenetBn: wideFilter is ${String(wideFilter)}`, 'Give 3 or 5.');
  const pool = (x: Value): Value => maxPool2d({ size: 3, stride: 2, fit: 'pad' })(x);
  let y = convNormRelu(images, { filters: 64, size: 7, stride: 2, padding: 3 }, epsilon);
  y = convNormRelu(pool(y), { filters: 64, size: 1 }, epsilon);
  y = pool(convNormRelu(y, { filters: 192, size: 3, padding: 1 }, epsilon));
  for (const [name, filters] of modules) {
    y = scope(name, () => inception(y, filters, wideFilter));
    if (name === 'inception3b') y = pool(y);
    if (name === 'inception4e') y = maxPool2d({ size: 2, stride: 2, fit: 'pad' })(y);
  }
  const head = dense({ units: classes, name: 'head' });
  return network(images, head(dropout({ rate })(globalAvgPool2d()(y))), { fit: 'crop' });
}

function inception(x: Value, filters: Inception, wide: 3 | 5): Value {
  const [direct, reduce, middle, wideReduce, wider, pooled] = filters;
  const pointwise = (y: Value, k: number): Value =>
    convNormRelu(y, { filters: k, size: 1 }, epsilon);
  const spatial = (y: Value, k: number, size: number): Value =>
    convNormRelu(y, { filters: k, size, padding: (size - 1) / 2 }, epsilon);
  return concat(
    pointwise(x, direct),
    spatial(pointwise(x, reduce), middle, 3),
    spatial(pointwise(x, wideReduce), wider, wide),
    pointwise(maxPool2d({ size: 3, stride: 1, padding: 1 })(x), pooled),
  );
}
