import { scope } from '../graph/names.js';
import { invalid } from '../graph/options.js';
import { network, type Auxiliary, type Network } from '../graph/network.js';
import type { Value } from '../graph/value.js';
import {
  avgPool2d,
  concat,
  conv2d,
  dense,
  dropout,
  flatten,
  globalAvgPool2d,
  localResponseNorm,
  maxPool2d,
  relu,
  type Conv2dOptions,
} from '../layers/index.js';
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
  const convolve: Convolve = (x, convolution) => convNormRelu(x, convolution, epsilon);
  let y = convolve(images, { filters: 64, size: 7, stride: 2, padding: 3 });
  y = convolve(pool(y), { filters: 64, size: 1 });
  y = pool(convolve(y, { filters: 192, size: 3, padding: 1 }));
  for (const [name, filters] of modules) {
    y = scope(name, () => inception(y, filters, wideFilter, convolve));
    if (name === 'inception3b') y = pool(y);
    if (name === 'inception4e') y = maxPool2d({ size: 2, stride: 2, fit: 'pad' })(y);
  }
  const head = dense({ units: classes, name: 'head' });
  return network(images, head(dropout({ rate })(globalAvgPool2d()(y))), { fit: 'crop' });
}

/** A convolution and what follows it. */
type Convolve = (x: Value, options: Conv2dOptions) => Value;

function inception(x: Value, filters: Inception, wide: 3 | 5, convolve: Convolve): Value {
  const [direct, reduce, middle, wideReduce, wider, pooled] = filters;
  const pointwise = (y: Value, k: number): Value => convolve(y, { filters: k, size: 1 });
  const spatial = (y: Value, k: number, size: number): Value =>
    convolve(y, { filters: k, size, padding: (size - 1) / 2 });
  return concat(
    pointwise(x, direct),
    spatial(pointwise(x, reduce), middle, 3),
    spatial(pointwise(x, wideReduce), wider, wide),
    pointwise(maxPool2d({ size: 3, stride: 1, padding: 1 })(x), pooled),
  );
}

export interface GooglenetOptions extends ModelOptions {
  /**
   * Train with the two auxiliary classifiers, their losses weighted by 0.3 (section 5). Default false:
   * they belong to training alone.
   */
  auxiliary?: boolean;
  /** Before the last layer; default 0.4, the paper's. The auxiliary classifiers have 0.7. */
  dropout?: number;
}

/**
 * GoogLeNet as "Going deeper with convolutions" has it (Szegedy et al., arXiv:1409.4842): convolutions with
 * biases, 5x5 filters, response normalisation around the second and third convolution. 6,998,552
 * parameters, 13,378,280 with its auxiliary classifiers. The paper leaves the normalisation's constants and
 * the pooling's borders open; they are those of Caffe's bvlc_googlenet (5 channels, alpha 1e-4, beta
 * 0.75; the last window may reach over the border).
 */
export function googlenet(options: GooglenetOptions = {}): Network {
  const {
    images,
    classes,
    auxiliary: withAuxiliary,
    dropout: rate,
  } = readModelOptions('googlenet', options, { ...imageNet, auxiliary: false, dropout: 0.4 });
  const convolve: Convolve = (x, convolution) => relu()(conv2d(convolution)(x));
  const pool = (x: Value): Value => maxPool2d({ size: 3, stride: 2, fit: 'pad' })(x);
  const normalise = (x: Value): Value => localResponseNorm({ size: 5, alpha: 1e-4, beta: 0.75 })(x);
  const auxiliary: Auxiliary[] = [];
  let y = convolve(images, { filters: 64, size: 7, stride: 2, padding: 3 });
  y = convolve(normalise(pool(y)), { filters: 64, size: 1 });
  y = pool(normalise(convolve(y, { filters: 192, size: 3, padding: 1 })));
  for (const [name, filters] of modules) {
    y = scope(name, () => inception(y, filters, 5, convolve));
    if (withAuxiliary && (name === 'inception4a' || name === 'inception4d')) {
      const output = scope(`aux${auxiliary.length + 1}`, () => classifier(y, classes, convolve));
      auxiliary.push({ output, weight: 0.3 });
    }
    if (name === 'inception3b' || name === 'inception4e') y = pool(y);
  }
  const head = dense({ units: classes, name: 'head' });
  return network(images, head(dropout({ rate })(globalAvgPool2d()(y))), {
    fit: 'crop',
    auxiliary,
  });
}

/** Section 5: average pooling of 5x5 by 3, 128 filters of 1x1, 1024 units, dropout of 70%. */
function classifier(x: Value, classes: number, convolve: Convolve): Value {
  const pooled = avgPool2d({ size: 5, stride: 3, fit: 'pad' })(x);
  const features = flatten()(convolve(pooled, { filters: 128, size: 1 }));
  const hidden = relu()(dense({ units: 1024 })(features));
  return dense({ units: classes, name: 'head' })(dropout({ rate: 0.7 })(hidden));
}
