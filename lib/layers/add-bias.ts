import { defineOp } from '../program/op.js';
import { convAttributes, convBackwardFilterOp } from './conv2d-ops.js';
import { batchAxes, eagerShape } from './eager.js';

const pixels = { padding: { top: 0, right: 0, bottom: 0, left: 0 }, height: 1, width: 1 };
const sums = convAttributes(pixels, {
  stride: [1, 1],
  dilation: [1, 1],
  groups: 1,
  winograd: false,
});

/** y = x + b, b `[channels]`. */
export const addBiasOp = defineOp({
  name: 'addBias',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'b', role: 'in', element: 'compute' },
    { name: 'y', role: 'out' },
  ],
  attributes: { reserved: 'int32' },
  inPlace: [['y', 'x']],
  eager: {
    attributes: () => ({ reserved: 0 }),
    outputs: (shapes) => ({ y: { shape: eagerShape(shapes, 'x', batchAxes) } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    // Without filters this op sums dy over its pixels, whatever x is.
    g.contribute(['b'], ({ b: db }) => {
      g.emit(convBackwardFilterOp, sums, { x: dy, dy, db });
    });
    g.pass('x', dy);
  },
});
