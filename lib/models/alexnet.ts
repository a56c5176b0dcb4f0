import type { Layer } from '../graph/layer.js';
import { network, type Network } from '../graph/network.js';
import { constant, gaussian } from '../initializers/index.js';
import {
  conv2d,
  dense,
  dropout,
  flatten,
  localResponseNorm,
  maxPool2d,
  relu,
  type Conv2dOptions,
  type DenseOptions,
} from '../layers/index.js';
import { chain } from './chain.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

export interface AlexnetOptions extends ModelOptions {
  /** Before the last two dense layers; default 0.5. */
  dropout?: number;
}

/**
 * AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012): two groups in the convolutions 2, 4 and 5 (the two
 * GPUs of the paper), response normalisation by the paper's formula (section 3.3: k = 2, n = 5, alpha = 1e-4 as
 * it stands, beta = 0.75), overlapping pooling after it. Images are 227x227: the 224 of the paper do not fit.
 * Weights start as in section 5: gaussian of 0.01, biases 1 where the paper says. 60,965,224 parameters.
 */
export function alexnet(options: AlexnetOptions = {}): Network {
  const norm = { size: 5, alpha: 1e-4, beta: 0.75, k: 2, divideAlpha: false };
  return twoGroups('alexnet', options, () => [localResponseNorm(norm), pool()]);
}

/**
 * CaffeNet, Caffe's AlexNet: pooling before normalisation, and the normalisation as Caffe has it (k = 1, alpha
 * divided by n). 60,965,224 parameters for 227x227x3. Source:
 * https://github.com/BVLC/caffe/blob/master/models/bvlc_reference_caffenet/train_val.prototxt
 */
export function caffenet(options: AlexnetOptions = {}): Network {
  const norm = { size: 5, alpha: 1e-4, beta: 0.75 };
  return twoGroups('caffenet', options, () => [pool(), localResponseNorm(norm)]);
}

const pool = (): Layer => maxPool2d({ size: 3, stride: 2 });

/** What both have in common; `between` follows the first two convolutions. */
function twoGroups(
  model: string,
  options: AlexnetOptions,
  between: () => readonly Layer[],
): Network {
  const {
    images,
    classes,
    dropout: rate,
  } = readModelOptions(model, options, { input: [227, 227, 3], classes: 1000, dropout: 0.5 });
  const start = { init: gaussian({ std: 0.01 }) };
  const convolution = (given: Conv2dOptions, bias = 0): Layer[] => [
    conv2d({ ...start, biasInit: constant(bias), ...given }),
    relu(),
  ];
  const hidden = (given: DenseOptions): Layer[] => [
    dense({ ...start, biasInit: constant(1), ...given }),
    relu(),
    dropout({ rate }),
  ];
  const y = chain(images, [
    ...convolution({ filters: 96, size: 11, stride: 4 }),
    ...between(),
    ...convolution({ filters: 256, size: 5, padding: 2, groups: 2 }, 1),
    ...between(),
    ...convolution({ filters: 384, size: 3, padding: 1 }),
    ...convolution({ filters: 384, size: 3, padding: 1, groups: 2 }, 1),
    ...convolution({ filters: 256, size: 3, padding: 1, groups: 2 }, 1),
    pool(),
    flatten(),
    ...hidden({ units: 4096 }),
    ...hidden({ units: 4096 }),
    dense({ units: classes, name: 'head', ...start }),
  ]);
  return network(images, y, { fit: 'crop' });
}

export interface AlexnetOwtOptions extends ModelOptions {
  /** Before the first two dense layers; default 0.5. */
  dropout?: number;
}

/**
 * The AlexNet of "One weird trick for parallelizing convolutional neural networks" (Krizhevsky,
 * arXiv:1404.5997), in one column, with the sizes of torchvision's `alexnet`: 64 first filters, no groups,
 * no response normalisation. 61,100,840 parameters for 224x224x3.
 */
export function alexnetOwt(options: AlexnetOwtOptions = {}): Network {
  const {
    images,
    classes,
    dropout: rate,
  } = readModelOptions('alexnetOwt', options, {
    ...imageNet,
    dropout: 0.5,
  });
  const y = chain(images, [
    conv2d({ filters: 64, size: 11, stride: 4, padding: 2 }),
    relu(),
    pool(),
    conv2d({ filters: 192, size: 5, padding: 2 }),
    relu(),
    pool(),
    conv2d({ filters: 384, size: 3, padding: 1 }),
    relu(),
    conv2d({ filters: 256, size: 3, padding: 1 }),
    relu(),
    conv2d({ filters: 256, size: 3, padding: 1 }),
    relu(),
    pool(),
    flatten(),
    dropout({ rate }),
    dense({ units: 4096 }),
    relu(),
    dropout({ rate }),
    dense({ units: 4096 }),
    relu(),
    dense({ units: classes, name: 'head' }),
  ]);
  return network(images, y, { fit: 'crop' });
}
