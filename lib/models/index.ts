export { allCnn } from './all-cnn.js';
export {
  alexnet,
  alexnetOwt,
  caffenet,
  type AlexnetOptions,
  type AlexnetOwtOptions,
} from './alexnet.js';
export {
  googlenet,
  googlenetBn,
  type GooglenetBnOptions,
  type GooglenetOptions,
} from './googlenet.js';
export { lenet } from './lenet.js';
export { lenet5, type Lenet5Options } from './lenet5.js';
export { mobilenet, type MobilenetOptions } from './mobilenet.js';
export { nin, ninCifar } from './nin.js';
export type { ModelOptions } from './options.js';
export { resnet20, resnet32, resnet44, resnet56, resnet110 } from './resnet-cifar.js';
export {
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  type ResnetOptions,
} from './resnet.js';
export { squeezenet10, squeezenet11, type SqueezenetOptions } from './squeezenet.js';
export { vgg11, vgg13, vgg16, vgg19, type VggOptions } from './vgg.js';
export { zfnet, type ZfnetOptions } from './zfnet.js';
export { zoo } from './zoo.js';
