import { sequential } from '../graph/sequential.js';
import type { Network } from '../graph/network.js';
import { conv2d, dense, flatten, maxPool2d, relu } from '../layers/index.js';
import { readModelOptions, type ModelOptions } from './options.js';

/**
 * The LeNet of Caffe's MNIST example: conv 20@5x5, max 2/2, conv 50@5x5, max 2/2, dense 500, ReLU,
 * dense 10; 431,080 parameters for 28x28x1. Weights start uniform in +-sqrt(3/fanIn), biases at zero.
 * Source: https://github.com/BVLC/caffe/blob/master/examples/mnist/lenet_train_test.prototxt
 */
export function lenet(options: ModelOptions = {}): Network {
  const { input, classes } = readModelOptions('lenet', options, {
    input: [28, 28, 1],
    classes: 10,
  });
  const init = { kind: 'xavier' } as const;
  return sequential(input, [
    conv2d({ filters: 20, size: 5, init }),
    maxPool2d({ size: 2, stride: 2 }),
    conv2d({ filters: 50, size: 5, init }),
    maxPool2d({ size: 2, stride: 2 }),
    flatten(),
    dense({ units: 500, init }),
    relu(),
    dense({ units: classes, init }),
  ]);
}
