import type { Layer } from '../graph/layer.js';
import { network, type Network } from '../graph/network.js';
import { conv2d, dropout, globalAvgPool2d, relu, type Conv2dOptions } from '../layers/index.js';
import { chain } from './chain.js';
import { cifar10, readModelOptions, type ModelOptions } from './options.js';

/**
 * All-CNN-C (Springenberg et al., arXiv:1412.6806, table 1): convolutions of stride 2 in place of pooling.
 * Dropout of 0.2 on the image and 0.5 after each layer of stride 2. 1,369,738 parameters.
 */
export function allCnn(options: ModelOptions = {}): Network {
  const { images, classes } = readModelOptions('allCnn', options, cifar10);
  const convolution = (given: Conv2dOptions): Layer[] => [conv2d(given), relu()];
  const stage = (filters: number): Layer[] => [
    ...convolution({ filters, size: 3, padding: 1 }),
    ...convolution({ filters, size: 3, padding: 1 }),
    ...convolution({ filters, size: 3, stride: 2, padding: 1 }),
    dropout({ rate: 0.5 }),
  ];
  const y = chain(images, [
    dropout({ rate: 0.2 }),
    ...stage(96),
    ...stage(192),
    ...convolution({ filters: 192, size: 3 }),
    ...convolution({ filters: 192, size: 1 }),
    ...convolution({ filters: classes, size: 1 }),
    globalAvgPool2d(),
  ]);
  return network(images, y, { fit: 'crop' });
}
