import { scope } from '../graph/names.js';
import { network, type Network } from '../graph/network.js';
import { invalid } from '../graph/options.js';
import type { Value } from '../graph/value.js';
import { avgPool2d, concat, conv2d, dense, flatten, scale, tanh } from '../layers/index.js';
import { readModelOptions, type ModelOptions } from './options.js';

export interface Lenet5Options extends ModelOptions {
  /**
   * - `'simple'` (default), as textbooks have it: every map of C3 sees all of S2, pooling is a plain mean,
   *   the activation tanh.
   * - `'1998'`, as the paper: C3 by its table 1, subsampling with a coefficient and a bias for each map,
   *   the activation 1.7159 tanh(2/3 x) (appendix A).
   */
  version?: 'simple' | '1998';
}

/** Table 1 of the paper: the maps of S2 that each map of C3 sees. */
const table: readonly (readonly number[])[] = [
  ...[0, 1, 2, 3, 4, 5].map((i) => [i, (i + 1) % 6, (i + 2) % 6]),
  ...[0, 1, 2, 3, 4, 5].map((i) => [i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6]),
  [0, 1, 3, 4],
  [1, 2, 4, 5],
  [0, 2, 3, 5],
  [0, 1, 2, 3, 4, 5],
];

/**
 * LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, section II.B) for 32x32x1; smaller images of 28x28 are padded
 * by 2 as the paper does. 61,706 parameters; 60,850 in the version of 1998: the paper's 60,000, and 850 of a
 * dense layer in place of its fixed radial basis functions, so that the network ends in logits.
 *
 * @throws StriateError INVALID_ARGUMENT for an unknown version.
 */
export function lenet5(options: Lenet5Options = {}): Network {
  const { images, input, classes, version } = readModelOptions('lenet5', options, {
    input: [32, 32, 1],
    classes: 10,
    version: 'simple',
  });
  if (version !== 'simple' && (version as string) !== '1998')
    throw invalid(`models.lenet5: version is '${version as string}'`, "Give 'simple' or '1998'.");
  const padding = input[0] === 28 && input[1] === 28 ? 2 : 0;
  const activate = version === '1998' ? scaledTanh : (x: Value): Value => tanh()(x);
  const features = version === '1998' ? original(images, padding) : simple(images, padding);
  const c5 = activate(dense({ units: 120 })(flatten()(features)));
  const f6 = activate(dense({ units: 84 })(c5));
  return network(images, dense({ units: classes, name: 'head' })(f6));
}

/** f(a) = A tanh(S a), with f(1) = 1 and f(-1) = -1. */
function scaledTanh(x: Value): Value {
  return scale(tanh()(scale(x, 2 / 3)), 1.7159);
}

function simple(x: Value, padding: number): Value {
  const s2 = avgPool2d({ size: 2 })(tanh()(conv2d({ filters: 6, size: 5, padding })(x)));
  return avgPool2d({ size: 2 })(tanh()(conv2d({ filters: 16, size: 5 })(s2)));
}

/** C1 and S2 map by map, so that each map of C3 can choose; S4 scales its sixteen maps at once. */
function original(x: Value, padding: number): Value {
  const s2 = Array.from({ length: 6 }, (_, i) =>
    scope(`map${i + 1}`, () =>
      subsample(conv2d({ filters: 1, size: 5, padding, name: 'c1' })(x), 1, 's2'),
    ),
  );
  const c3 = table.map((maps, i) =>
    conv2d({ filters: 1, size: 5, name: `c3/map${i + 1}` })(concat(...maps.map((j) => s2[j]!))),
  );
  return subsample(concat(...c3), 16, 's4');
}

/**
 * The activation after a layer, and subsampling: the mean of 2x2 (a quarter of the paper's sum, which its
 * coefficient takes up) times a trainable coefficient plus a bias, for each map.
 */
function subsample(x: Value, maps: number, name: string): Value {
  const means = avgPool2d({ size: 2 })(scaledTanh(x));
  return scaledTanh(conv2d({ filters: maps, groups: maps, size: 1, name })(means));
}
