import { ShapeError } from '../errors.js';
import { defineLayer } from '../graph/define-layer.js';
import { elementsOf, printShape, sameShape, type Shape } from '../graph/shape.js';
import type { Value } from '../graph/value.js';
import { binaryKinds, binaryOp } from './binary.js';
import { gateOp } from './gate.js';

/** A factor for each channel of a volume: `[C]` or `[1, 1, C]`. */
function isGate(shape: Shape, volume: Shape): boolean {
  if (volume.length !== 3 || shape.at(-1) !== volume[2]) return false;
  return shape.length === 1 || (shape.length === 3 && shape[0] === 1 && shape[1] === 1);
}

const make = defineLayer({
  kind: 'multiply',
  prefix: 'multiply',
  arity: 'many',
  options: {},
  shape(inputs, _options, { batched }) {
    const [first, ...rest] = inputs;
    for (const [i, shape] of rest.entries()) {
      const alike = batched[i + 1] === batched[0];
      if (shape.length === 0 && !batched[i + 1]!) continue;
      if (alike && (sameShape(shape, first!) || isGate(shape, first!))) continue;
      throw new ShapeError(`${printShape(first!)} and ${printShape(shape)} cannot be multiplied`, {
        remedy: 'Multiply values of one shape, or a volume [H, W, C] by a gate [C] or [1, 1, C].',
      });
    }
    return first!;
  },
  flops: (inputs, output) => (inputs.length - 1) * elementsOf(output),
  forward(scope, [first, ...rest]) {
    return rest.reduce((a, b) => {
      const y = scope.tensor(scope.outputShape, { batched: a.batched });
      const single = b.shape.length === 0 && !b.batched;
      if (single || sameShape(b.shape, a.shape))
        scope.emit(binaryOp, { kind: binaryKinds.mul }, { a, b, y });
      else
        scope.emit(
          gateOp,
          { reserved: 0 },
          { x: a, gate: scope.reshape(b, [1, 1, b.shape.at(-1)!]), y },
        );
      return y;
    }, first!);
  },
});

/**
 * The product of values, elementwise: of one shape, or of a volume `[H, W, C]` and gates `[C]` or
 * `[1, 1, C]`, which multiply every pixel of their channel (squeeze-and-excitation, Hu, Shen and Sun
 * 2018). From the second on, a single number (`mean`, `sum`) stands for every element.
 *
 * @throws ShapeError, when the network is made, for shapes that do not go together.
 */
export function multiply(first: Value, ...others: Value[]): Value {
  return make()(first, ...others);
}
