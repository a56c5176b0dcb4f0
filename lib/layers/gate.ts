import { defineOp } from '../program/op.js';

const attributes = { reserved: 'int32' } as const;

/** One factor for each channel of each image: x `[n, H, W, C]`, gate `[n, 1, 1, C]`. */
export const gateOp = defineOp({
  name: 'gate',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'gate', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes,
  inPlace: [['y', 'x']],
  eager: {
    attributes: () => ({ reserved: 0 }),
    outputs: ({ x }) => ({ y: { shape: x! } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x', 'gate'], ({ x: dx, gate: dgate }) => {
      const [x, gate] = [g.operand('x'), g.operand('gate')];
      g.emit(gateBackwardOp, { reserved: 0 }, { x, gate, dy, dx, dgate });
    });
  },
});

export const gateBackwardOp = defineOp({
  name: 'gateBackward',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'gate', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out', optional: true },
    { name: 'dgate', role: 'out', optional: true },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  eager: {
    attributes: () => ({ reserved: 0 }),
    outputs: ({ x, gate }) => ({ dx: { shape: x! }, dgate: { shape: gate! } }),
  },
});
