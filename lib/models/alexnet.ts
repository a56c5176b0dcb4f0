import { network, type Network } from '../graph/network.js';
import { conv2d, dense, dropout, flatten, maxPool2d, relu } from '../layers/index.js';
import { chain } from './chain.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

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
  const pool = (): ReturnType<typeof maxPool2d> => maxPool2d({ size: 3, stride: 2 });
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
