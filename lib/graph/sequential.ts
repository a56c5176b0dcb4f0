import { requireLayer } from './define-layer.js';
import type { Layer } from './layer.js';
import { network, type Network, type NetworkOptions } from './network.js';
import { invalid } from './options.js';
import type { Shape } from './shape.js';
import { input, type Value } from './value.js';

/**
 * A network without branches: each layer takes what the one before it gives.
 *
 * @param shape of one image: `[height, width, channels]` or `[features]`
 * @throws ShapeError for volumes that do not fit; StriateError INVALID_ARGUMENT for anything else.
 */
export function sequential(
  shape: Shape,
  layers: readonly Layer[],
  options: NetworkOptions = {},
): Network {
  if (!Array.isArray(layers) || layers.length === 0) {
    throw invalid(
      'sequential takes an array of layers',
      'Write sequential([28, 28, 1], [conv2d({ ... }), ...]).',
    );
  }
  const x = input(shape);
  let y: Value = x;
  for (const [i, layer] of layers.entries()) {
    requireLayer(layer, `layers[${i}]`);
    y = layer(y);
  }
  return network(x, y, options);
}
