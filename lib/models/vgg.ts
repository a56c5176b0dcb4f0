import type { Layer } from '../graph/layer.js';
import { network, type Network } from '../graph/network.js';
import { batchNorm, conv2d, dense, dropout, flatten, maxPool2d, relu } from '../layers/index.js';
import { chain } from './chain.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

export interface VggOptions extends ModelOptions {
  /** Batch normalisation after every convolution, as torchvision's `vgg16_bn`; default false. */
  batchNorm?: boolean;
  /** After the first two dense layers; default 0.5. */
  dropout?: number;
}

/** Convolutions of each stage, by configuration (table 1 of the paper). */
const configurations = {
  vgg11: [1, 1, 2, 2, 2],
  vgg13: [2, 2, 2, 2, 2],
  vgg16: [2, 2, 3, 3, 3],
  vgg19: [2, 2, 4, 4, 4],
} as const;
const filters = [64, 128, 256, 512, 512];

/**
 * VGG (Simonyan and Zisserman, arXiv:1409.1556): 3x3 convolutions of stride 1 that keep the size, 2x2
 * pooling, three dense layers. Configuration A; 132,863,336 parameters for 224x224x3.
 */
export const vgg11 = (options: VggOptions = {}): Network => vgg('vgg11', options);
/** VGG, configuration B: 133,047,848 parameters. See `vgg11`. */
export const vgg13 = (options: VggOptions = {}): Network => vgg('vgg13', options);
/** VGG, configuration D, the notes' example: 138,357,544 parameters. See `vgg11`. */
export const vgg16 = (options: VggOptions = {}): Network => vgg('vgg16', options);
/** VGG, configuration E: 143,667,240 parameters. See `vgg11`. */
export const vgg19 = (options: VggOptions = {}): Network => vgg('vgg19', options);

function vgg(name: keyof typeof configurations, options: VggOptions): Network {
  const all = readModelOptions(name, options, { ...imageNet, batchNorm: false, dropout: 0.5 });
  const { images, classes, dropout: rate } = all;
  const convolution = (k: number): Layer[] => [
    conv2d({ filters: k, size: 3, padding: 1, bias: true }),
    ...(all.batchNorm ? [batchNorm()] : []),
    relu(),
  ];
  const stages = configurations[name].flatMap((count, stage) => [
    ...Array.from({ length: count }, () => convolution(filters[stage]!)).flat(),
    maxPool2d({ size: 2 }),
  ]);
  const classifier = [
    flatten(),
    ...[0, 1].flatMap(() => [dense({ units: 4096 }), relu(), dropout({ rate })]),
    dense({ units: classes, name: 'head' }),
  ];
  return network(images, chain(images, [...stages, ...classifier]));
}
