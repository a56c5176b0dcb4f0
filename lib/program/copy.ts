import { defineOp } from './op.js';

/** y = alpha x + beta: joins what cannot be written in place, and sums gradients. */
export const copy = defineOp({
  name: 'copy',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: { alpha: 'float32', beta: 'float32' },
  eager: {
    attributes: (_shapes, options) => ({
      alpha: Number(options.alpha ?? 1),
      beta: Number(options.beta ?? 0),
    }),
    outputs: (shapes) => ({ y: { shape: shapes.x ?? [] } }),
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
      y: { shape: (options.shape as readonly number[] | undefined) ?? [] },
    }),
  },
});
