import { StriateError } from '../errors.js';
import { isHalf } from './half.js';
import { defineOp } from './op.js';
import type { DType } from './program.js';

/** The option `dtype` of eager ops that convert or make numbers. */
export function dtypeOption({ dtype }: Readonly<Record<string, unknown>>): { dtype?: DType } {
  if (dtype === undefined) return {};
  if (dtype === 'float32' || dtype === 'float64' || (typeof dtype === 'string' && isHalf(dtype)))
    return { dtype };
  throw new StriateError('INVALID_ARGUMENT', `dtype is ${JSON.stringify(dtype)}`, {
    remedy: "Give 'float32', 'float64', 'bfloat16' or 'float16'.",
  });
}

/**
 * y = alpha x + beta: joins what cannot be written in place, sums gradients, and converts between
 * float32 and the 16-bit types.
 */
export const copy = defineOp({
  name: 'copy',
  light: true,
  operands: [
    { name: 'x', role: 'in', element: 'other' },
    { name: 'y', role: 'out' },
  ],
  attributes: { alpha: 'float32', beta: 'float32' },
  eager: {
    attributes: (_shapes, options) => ({
      alpha: Number(options.alpha ?? 1),
      beta: Number(options.beta ?? 0),
    }),
    outputs: (shapes, _attributes, options) => ({
      y: { shape: shapes.x ?? [], ...dtypeOption(options) },
    }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x }) =>
      g.emit(copy, { alpha: Number(g.attributes.alpha), beta: 0 }, { x: dy, y: x }),
    );
  },
});

/** y = beta. */
export const fill = defineOp({
  name: 'fill',
  operands: [{ name: 'y', role: 'out' }],
  attributes: { alpha: 'float32', beta: 'float32' },
  eager: {
    attributes: (_shapes, options) => ({ alpha: 0, beta: Number(options.value ?? 0) }),
    outputs: (_shapes, _attributes, options) => ({
      y: { shape: (options.shape as readonly number[] | undefined) ?? [], ...dtypeOption(options) },
    }),
  },
});
