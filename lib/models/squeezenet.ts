import { scope } from '../graph/names.js';
import { network, type Network } from '../graph/network.js';
import type { Value } from '../graph/value.js';
import { concat, conv2d, dropout, globalAvgPool2d, maxPool2d, relu } from '../layers/index.js';
import { imageNet, readModelOptions, type ModelOptions } from './options.js';

export interface SqueezenetOptions extends ModelOptions {
  /** Before the last convolution; default 0.5. */
  dropout?: number;
}

/** The first convolution, and the squeezed channels of each fire module; `pool` between them. */
interface Version {
  readonly first: { readonly filters: number; readonly size: number };
  readonly body: readonly (number | 'pool')[];
}

const versions: Readonly<Record<string, Version>> = {
  squeezenet10: {
    first: { filters: 96, size: 7 },
    body: ['pool', 16, 16, 32, 'pool', 32, 48, 48, 64, 'pool', 64],
  },
  squeezenet11: {
    first: { filters: 64, size: 3 },
    body: ['pool', 16, 16, 'pool', 32, 32, 'pool', 48, 48, 64, 64],
  },
};

/**
 * SqueezeNet 1.0 (Iandola et al., arXiv:1602.07360): fire modules, no dense layer. The padding and the
 * rounding of the pools are those of the authors' Caffe files. 1,248,424 parameters.
 */
export const squeezenet10 = (options: SqueezenetOptions = {}): Network =>
  squeezenet('squeezenet10', options);
/** SqueezeNet 1.1 of the authors' repository: 2.4 times less work. 1,235,496 parameters. */
export const squeezenet11 = (options: SqueezenetOptions = {}): Network =>
  squeezenet('squeezenet11', options);

function squeezenet(name: string, options: SqueezenetOptions): Network {
  const {
    images,
    classes,
    dropout: rate,
  } = readModelOptions(name, options, {
    ...imageNet,
    dropout: 0.5,
  });
  const { first, body } = versions[name]!;
  let y = relu()(conv2d({ ...first, stride: 2 })(images));
  let fires = 1;
  for (const part of body) {
    if (part === 'pool') y = maxPool2d({ size: 3, stride: 2, fit: 'pad' })(y);
    else y = scope(`fire${(fires += 1)}`, () => fire(y, part));
  }
  const head = conv2d({ filters: classes, size: 1, name: 'head' });
  return network(images, globalAvgPool2d()(relu()(head(dropout({ rate })(y)))), { fit: 'crop' });
}

/** Few channels by 1x1, then eight times as many, half by 1x1 and half by 3x3. */
function fire(x: Value, squeezed: number): Value {
  const s = relu()(conv2d({ filters: squeezed, size: 1, name: 'squeeze' })(x));
  const filters = 4 * squeezed;
  return concat(
    relu()(conv2d({ filters, size: 1, name: 'expand1' })(s)),
    relu()(conv2d({ filters, size: 3, padding: 1, name: 'expand3' })(s)),
  );
}
