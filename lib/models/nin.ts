import type { Layer } from '../graph/layer.js';
import { network, type Network } from '../graph/network.js';
import { avgPool2d, conv2d, dropout, globalAvgPool2d, maxPool2d, relu } from '../layers/index.js';
import { chain } from './chain.js';
import { cifar10, imageNet, readModelOptions, type ModelOptions } from './options.js';

/** A convolution and the 1x1 convolutions after it (the paper's mlpconv), a ReLU after each. */
function mlpconv(
  first: Parameters<typeof conv2d>[0],
  ...after: Parameters<typeof conv2d>[0]['filters'][]
): Layer[] {
  return [
    conv2d(first),
    relu(),
    ...after.flatMap((filters) => [conv2d({ filters, size: 1 }), relu()]),
  ];
}

/**
 * Network in Network (Lin, Chen and Yan, arXiv:1312.4400) for CIFAR-10, as in the authors' Caffe file
 * (https://gist.github.com/mavenlin/e56253735ef32c3c296d). 966,986 parameters.
 */
export function ninCifar(options: ModelOptions = {}): Network {
  const { images, classes } = readModelOptions('ninCifar', options, cifar10);
  const y = chain(images, [
    ...mlpconv({ filters: 192, size: 5, padding: 2 }, 160, 96),
    maxPool2d({ size: 3, stride: 2, fit: 'pad' }),
    dropout({ rate: 0.5 }),
    ...mlpconv({ filters: 192, size: 5, padding: 2 }, 192, 192),
    avgPool2d({ size: 3, stride: 2, fit: 'pad' }),
    dropout({ rate: 0.5 }),
    ...mlpconv({ filters: 192, size: 3, padding: 1 }, 192, classes),
    globalAvgPool2d(),
  ]);
  return network(images, y);
}

/**
 * Network in Network for ImageNet, as in the authors' Caffe file
 * (https://gist.github.com/mavenlin/d802a5849de39225bcc6). 7,595,176 parameters.
 */
export function nin(options: ModelOptions = {}): Network {
  const { images, classes } = readModelOptions('nin', options, imageNet);
  const pool = (): Layer => maxPool2d({ size: 3, stride: 2, fit: 'pad' });
  const y = chain(images, [
    ...mlpconv({ filters: 96, size: 11, stride: 4 }, 96, 96),
    pool(),
    ...mlpconv({ filters: 256, size: 5, padding: 2 }, 256, 256),
    pool(),
    ...mlpconv({ filters: 384, size: 3, padding: 1 }, 384, 384),
    pool(),
    dropout({ rate: 0.5 }),
    ...mlpconv({ filters: 1024, size: 3, padding: 1 }, 1024, classes),
    globalAvgPool2d(),
  ]);
  return network(images, y, { fit: 'crop' });
}
