import { scope } from '../graph/names.js';
import { network, type Network } from '../graph/network.js';
import type { Value } from '../graph/value.js';
import { add, concat, dense, globalAvgPool2d, maxPool2d, relu, scale } from '../layers/index.js';
import { convNorm, convNormRelu } from './chain.js';
import { cifar10, readModelOptions, type ModelOptions } from './options.js';

/**
 * The residual networks for CIFAR-10 (He et al., arXiv:1512.03385, section 4.2): 6n + 2 layers on 16, 32
 * and 64 channels. Shortcuts have no parameters (option A): where the shape changes they take every second
 * pixel and add channels of zeros, made as in fb.resnet.torch by a product with 0. n = 3; 269,722 parameters.
 */
export const resnet20 = (options: ModelOptions = {}): Network => resnetCifar(20, options);
/** 464,154 parameters. See `resnet20`. */
export const resnet32 = (options: ModelOptions = {}): Network => resnetCifar(32, options);
/** 658,586 parameters. See `resnet20`. */
export const resnet44 = (options: ModelOptions = {}): Network => resnetCifar(44, options);
/** 853,018 parameters. See `resnet20`. */
export const resnet56 = (options: ModelOptions = {}): Network => resnetCifar(56, options);
/** 1,727,962 parameters. See `resnet20`. */
export const resnet110 = (options: ModelOptions = {}): Network => resnetCifar(110, options);

function resnetCifar(layers: number, options: ModelOptions): Network {
  const { images, classes } = readModelOptions(`resnet${layers}`, options, cifar10);
  let y = convNormRelu(images, { filters: 16, size: 3, padding: 1 });
  for (const [i, width] of [16, 32, 64].entries())
    y = scope(`stage${i + 1}`, () => stage(y, width, (layers - 2) / 6, i === 0 ? 1 : 2));
  const head = dense({ units: classes, name: 'head' });
  return network(images, head(globalAvgPool2d()(y)), { fit: 'crop' });
}

function stage(x: Value, width: number, count: number, stride: number): Value {
  let y = x;
  for (let i = 0; i < count; i += 1)
    y = scope(`block${i + 1}`, () => block(y, width, i === 0 ? stride : 1));
  return y;
}

function block(x: Value, width: number, stride: number): Value {
  const first = convNormRelu(x, { filters: width, size: 3, stride, padding: 1 });
  const y = convNorm(first, { filters: width, size: 3, padding: 1 });
  return relu()(add(y, stride === 1 ? x : widened(x, stride)));
}

function widened(x: Value, stride: number): Value {
  const sparse = maxPool2d({ size: 1, stride, fit: 'crop' })(x);
  return concat(sparse, scale(sparse, 0));
}
