import { ShapeError } from '../errors.js';
import { defineLayer } from '../graph/define-layer.js';
import { printShape } from '../graph/shape.js';
import type { Value } from '../graph/value.js';

const make = defineLayer({
  kind: 'concat',
  prefix: 'concat',
  arity: 'many',
  options: {},
  shape(inputs, _options, { batched }) {
    const [first, ...rest] = inputs as [number[], ...number[][]];
    const plane = first.slice(0, -1);
    const fits = (shape: readonly number[]): boolean =>
      shape.length === first.length && plane.every((extent, axis) => extent === shape[axis]);
    if (first.length === 0 || !rest.every(fits) || batched.includes(false)) {
      throw new ShapeError(
        `${inputs.map(printShape).join(' and ')} cannot be joined along channels`,
        {
          remedy: 'Join volumes of one height and width, or vectors.',
        },
      );
    }
    return [...plane, inputs.reduce((sum, shape) => sum + shape.at(-1)!, 0)];
  },
  flops: () => 0,
  forward: (scope, inputs) => (inputs.length === 1 ? inputs[0]! : scope.concat(inputs)),
});

/**
 * Joins volumes of one height and width along their channels, in the order given; vectors likewise.
 *
 * @throws ShapeError, when the network is made, for different heights or widths.
 */
export function concat(...values: Value[]): Value {
  return make()(...values);
}
