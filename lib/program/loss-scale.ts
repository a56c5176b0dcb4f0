import { defineOp } from './op.js';

/**
 * y = x times the step's loss scale; without x the scale itself. So the gradients of a float16 program
 * begin: multiplied by a number that keeps small ones from becoming zero.
 */
export const scaleByLossScale = defineOp({
  name: 'scaleByLossScale',
  operands: [
    { name: 'x', role: 'in', optional: true, element: 'compute' },
    { name: 'y', role: 'out', element: 'compute' },
  ],
  attributes: { reserved: 'int32' },
  inPlace: [['y', 'x']],
});
