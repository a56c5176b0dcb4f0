import { dtypeOption } from './copy.js';
import { defineOp } from './op.js';

/** y = (x scale - mean) / std by channel; x may be bytes. Images take this step on the device. */
export const normalize = defineOp({
  name: 'normalize',
  light: true,
  operands: [
    { name: 'x', role: 'in', element: 'other' },
    { name: 'mean', role: 'in', optional: true, element: 'compute' },
    { name: 'std', role: 'in', optional: true, element: 'compute' },
    { name: 'y', role: 'out' },
  ],
  attributes: { scale: 'float32' },
  eager: {
    attributes: (_shapes, options) => ({ scale: Number(options.scale ?? 1) }),
    outputs: (shapes, _attributes, options) => ({
      y: { shape: shapes.x ?? [], ...dtypeOption(options) },
    }),
  },
});
