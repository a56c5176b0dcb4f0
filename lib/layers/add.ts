import { ShapeError } from '../errors.js';
import { defineLayer } from '../graph/define-layer.js';
import { elementsOf, printShape, sameShape } from '../graph/shape.js';
import type { Value } from '../graph/value.js';
import { shift } from './affine.js';
import { binaryKinds, binaryOp } from './binary.js';

const make = defineLayer({
  kind: 'add',
  prefix: 'add',
  arity: 'many',
  options: {},
  shape(inputs, _options, { batched }) {
    const [first, ...rest] = inputs;
    for (const [i, shape] of rest.entries()) {
      const single = shape.length === 0 && !batched[i + 1]!;
      if (single || (sameShape(shape, first!) && batched[i + 1] === batched[0])) continue;
      throw new ShapeError(`${printShape(first!)} and ${printShape(shape)} cannot be added`, {
        remedy: 'Add volumes of one shape; a 1x1 convolution brings channels and stride in line.',
      });
    }
    return first!;
  },
  flops: (inputs, output) => (inputs.length - 1) * elementsOf(output),
  forward(scope, [first, ...rest]) {
    return rest.reduce((a, b) => {
      const y = scope.tensor(scope.outputShape, { batched: a.batched });
      scope.emit(binaryOp, { kind: binaryKinds.add }, { a, b, y });
      return y;
    }, first!);
  },
});

/**
 * The elementwise sum of values of one shape, such as a residual and its shortcut. From the second on, a
 * single number (`mean`, `sum`, or a constant) stands for every element.
 *
 * @throws ShapeError, when the network is made, for different shapes.
 */
export function add(first: Value, ...others: (Value | number)[]): Value {
  const values = others.filter((other) => typeof other !== 'number');
  const constant = others.reduce<number>(
    (sum, other) => (typeof other === 'number' ? sum + other : sum),
    0,
  );
  const total = values.length === 0 && others.length > 0 ? first : make()(first, ...values);
  return others.length > values.length ? shift(total, constant) : total;
}
