import { defineOp } from './op.js';

/**
 * Clears the commit flag of the step when the loss or any gradient is NaN or infinite: then no update
 * and no commit changes anything.
 */
export const checkFinite = defineOp({
  name: 'checkFinite',
  operands: [
    { name: 'gradients', role: 'in', optional: true, element: 'compute' },
    { name: 'loss', role: 'in', optional: true, element: 'compute' },
  ],
  attributes: { reserved: 'int32' },
});
