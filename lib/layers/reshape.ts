import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { extents } from '../graph/options.js';
import { elementsOf, type Shape } from '../graph/shape.js';

interface Options {
  readonly shape: readonly number[];
}

const make = defineLayer<Options>({
  kind: 'reshape',
  prefix: 'reshape',
  arity: 1,
  options: { shape: extents },
  inPlace: true,
  flops: () => 0,
  shape([x], { shape }) {
    if (elementsOf(x!) === elementsOf(shape)) return shape;
    throw new ShapeError(
      `[${x!.join(', ')}] has ${elementsOf(x!)} elements, [${shape.join(', ')}] has ${elementsOf(shape)}`,
      { remedy: 'Reshape to a shape with as many elements.' },
    );
  },
  forward: (scope, [x]) => scope.reshape(x!, scope.outputShape),
});

/**
 * The same values under another shape, without the batch: `reshape([7, 7, 64])`.
 *
 * @throws ShapeError, when the network is made, unless the number of elements stays.
 */
export function reshape(shape: Shape, options: NamedOptions = {}): Layer {
  return make({ ...options, shape });
}
