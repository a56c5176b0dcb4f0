import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { defineOp } from '../program/op.js';

const attributes = { reserved: 'int32' } as const;

export const reluOp = defineOp({
  name: 'relu',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
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
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(reluBackwardOp, { reserved: 0 }, { y: g.operand('y'), dy, dx });
    });
  },
});

export const reluBackwardOp = defineOp({
  name: 'reluBackward',
  operands: [
    { name: 'y', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  eager: {
    attributes: () => ({ reserved: 0 }),
    outputs: ({ dy }) => ({ dx: { shape: dy! } }),
  },
});

const make = defineLayer({
  kind: 'relu',
  prefix: 'relu',
  arity: 1,
  options: {},
  inPlace: true,
  shape: ([x]) => x!,
  forward(scope, [x]) {
    const y = scope.tensor(scope.outputShape, { batched: x!.batched });
    scope.emit(reluOp, { reserved: 0 }, { x, y });
    return y;
  },
});

/**
 * Rectifier, elementwise: `y = max(0, x)`; the gradient at 0 is 0 (PyTorch, Caffe). NaN passes on. Any
 * shape, which it keeps.
 */
export function relu(options: NamedOptions = {}): Layer {
  return make(options);
}
