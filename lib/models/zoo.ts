import type { Network } from '../graph/network.js';
import { allCnn } from './all-cnn.js';
import { alexnet, alexnetOwt, caffenet } from './alexnet.js';
import { googlenet, googlenetBn } from './googlenet.js';
import { lenet } from './lenet.js';
import { lenet5 } from './lenet5.js';
import { mobilenet } from './mobilenet.js';
import { nin, ninCifar } from './nin.js';
import { resnet20, resnet32, resnet44, resnet56, resnet110 } from './resnet-cifar.js';
import { resnet18, resnet34, resnet50, resnet101, resnet152 } from './resnet.js';
import { squeezenet10, squeezenet11 } from './squeezenet.js';
import { vgg11, vgg13, vgg16, vgg19 } from './vgg.js';
import { zfnet } from './zfnet.js';

/** Named networks by the name that the command line knows, each with its usual options. */
export const zoo: Readonly<Record<string, () => Network>> = {
  lenet: () => lenet(),
  lenet5: () => lenet5(),
  'lenet5-1998': () => lenet5({ version: '1998' }),
  alexnet: () => alexnet(),
  'alexnet-owt': () => alexnetOwt(),
  caffenet: () => caffenet(),
  zfnet: () => zfnet(),
  vgg11: () => vgg11(),
  vgg13: () => vgg13(),
  vgg16: () => vgg16(),
  vgg19: () => vgg19(),
  'vgg11-bn': () => vgg11({ batchNorm: true }),
  'vgg13-bn': () => vgg13({ batchNorm: true }),
  'vgg16-bn': () => vgg16({ batchNorm: true }),
  'vgg19-bn': () => vgg19({ batchNorm: true }),
  googlenet: () => googlenet(),
  'googlenet-aux': () => googlenet({ auxiliary: true }),
  'googlenet-bn': () => googlenetBn(),
  resnet18: () => resnet18(),
  resnet34: () => resnet34(),
  resnet50: () => resnet50(),
  resnet101: () => resnet101(),
  resnet152: () => resnet152(),
  'resnet50-v1': () => resnet50({ version: 'v1' }),
  'resnet50-v2': () => resnet50({ version: 'v2' }),
  resnet20: () => resnet20(),
  resnet32: () => resnet32(),
  resnet44: () => resnet44(),
  resnet56: () => resnet56(),
  resnet110: () => resnet110(),
  nin: () => nin(),
  'nin-cifar': () => ninCifar(),
  'all-cnn': () => allCnn(),
  'squeezenet1.0': () => squeezenet10(),
  'squeezenet1.1': () => squeezenet11(),
  mobilenet: () => mobilenet(),
};
