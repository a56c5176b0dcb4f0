import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { readOptions, real, type OptionRules } from '../graph/options.js';
import { hashName } from '../initializers/philox.js';
import { defineOp } from '../program/op.js';

export interface DropoutOptions extends NamedOptions {
  /** The fraction of values that become zero, from 0 to below 1. */
  rate: number;
}

interface Options {
  readonly rate: number;
}

const rules: OptionRules<Options> = {
  rate: real('a number from 0 to below 1', (v) => v >= 0 && v < 1),
};

export const dropoutOp = defineOp({
  name: 'dropout',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: { rate: 'float32', key: 'int64' },
  inPlace: [['y', 'x']],
  eager: {
    attributes(_shapes, options) {
      const { rate, name = 'dropout' } = options as { rate?: unknown; name?: string };
      return { ...readOptions('dropout', rules, { rate }), key: keyOf(name) };
    },
    outputs: ({ x }) => ({ y: { shape: x! } }),
  },
  // The mask is drawn again, not stored: the gradient is the same op on dy.
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => g.emit(dropoutOp, g.attributes, { x: dy, y: dx }));
  },
});

/** The random stream's key: the hash of the layer's name as a signed 64-bit integer. */
function keyOf(name: string): bigint {
  return BigInt.asIntN(64, hashName(name));
}

const make = defineLayer<Options>({
  kind: 'dropout',
  prefix: 'drop',
  arity: 1,
  options: rules,
  inPlace: true,
  shape: ([x]) => x!,
  // Inference does nothing.
  flops: () => 0,
  forward(scope, [x], { rate }) {
    if (scope.mode === 'infer' || rate === 0) return x!;
    const y = scope.tensor(scope.outputShape, { batched: x!.batched });
    scope.emit(dropoutOp, { rate, key: keyOf(scope.layer) }, { x, y });
    return y;
  },
});

/**
 * Dropout (Srivastava et al. 2014), inverted: while training each value becomes zero with probability
 * `rate` and the others are divided by `1 - rate`; otherwise nothing happens. The mask depends on the
 * seed, the layer's name, the step, the sample and the element only.
 *
 * @throws StriateError INVALID_ARGUMENT for a rate that is not from 0 to below 1.
 */
export function dropout(options: DropoutOptions): Layer {
  return make(options);
}
