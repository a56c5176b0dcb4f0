import { defineLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { real } from '../graph/options.js';
import type { Value } from '../graph/value.js';
import { copy } from '../program/copy.js';

interface Options {
  readonly by: number;
}

function defineAffine(
  kind: string,
  numbers: (by: number) => { alpha: number; beta: number },
): (given: Options) => Layer {
  return defineLayer<Options>({
    kind,
    prefix: kind,
    arity: 1,
    options: { by: real() },
    shape: ([x]) => x!,
    forward(scope, [x], { by }) {
      const y = scope.tensor(scope.outputShape, { batched: x!.batched });
      scope.emit(copy, numbers(by), { x, y });
      return y;
    },
  });
}

const makeScale = defineAffine('scale', (by) => ({ alpha: by, beta: 0 }));
const makeShift = defineAffine('shift', (by) => ({ alpha: 1, beta: by }));

/** `x * by`, elementwise. */
export function scale(x: Value, by: number): Value {
  return makeScale({ by })(x);
}

/** `x + by`, elementwise. */
export function shift(x: Value, by: number): Value {
  return makeShift({ by })(x);
}
