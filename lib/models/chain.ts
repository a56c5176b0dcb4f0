import type { Layer } from '../graph/layer.js';
import type { Value } from '../graph/value.js';
import { batchNorm, conv2d, relu, type Conv2dOptions } from '../layers/index.js';

/** Layer after layer. */
export function chain(x: Value, layers: readonly Layer[]): Value {
  return layers.reduce((y, layer) => layer(y), x);
}

/** A convolution without bias, and the batch normalisation that has one. */
export function convNorm(x: Value, options: Conv2dOptions, epsilon?: number): Value {
  const norm = batchNorm(epsilon === undefined ? {} : { epsilon });
  return norm(conv2d({ ...options, bias: false })(x));
}

export function convNormRelu(x: Value, options: Conv2dOptions, epsilon?: number): Value {
  return relu()(convNorm(x, options, epsilon));
}
