import { defineLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import type { Value } from '../graph/value.js';
import { defineOp } from '../program/op.js';
import { eagerKind } from './eager.js';

const kinds = { neg: 0, square: 1, sqrt: 2, exp: 3, log: 4, abs: 5 } as const;

export const unaryOp = defineOp({
  name: 'unary',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: { kind: 'int32' },
  inPlace: [['y', 'x']],
  eager: {
    attributes: eagerKind(kinds),
    outputs: ({ x }) => ({ y: { shape: x! } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(unaryBackwardOp, g.attributes, { x: g.operand('x'), y: g.operand('y'), dy, dx });
    });
  },
});

export const unaryBackwardOp = defineOp({
  name: 'unaryBackward',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'in' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes: { kind: 'int32' },
  inPlace: [['dx', 'dy']],
  eager: {
    attributes: eagerKind(kinds),
    outputs: ({ x }) => ({ dx: { shape: x! } }),
  },
});

function defineUnary(kind: keyof typeof kinds): () => Layer {
  return defineLayer({
    kind,
    prefix: kind,
    arity: 1,
    options: {},
    shape: ([x]) => x!,
    forward(scope, [x]) {
      const y = scope.tensor(scope.outputShape, { batched: x!.batched });
      scope.emit(unaryOp, { kind: kinds[kind] }, { x, y });
      return y;
    },
  });
}

const make = {
  neg: defineUnary('neg'),
  square: defineUnary('square'),
  sqrt: defineUnary('sqrt'),
  exp: defineUnary('exp'),
  log: defineUnary('log'),
  abs: defineUnary('abs'),
};

/** `-x`, elementwise. */
export function neg(x: Value): Value {
  return make.neg()(x);
}

/** `x^2`, elementwise. */
export function square(x: Value): Value {
  return make.square()(x);
}

/** The square root, elementwise; its gradient at 0 is infinite. */
export function sqrt(x: Value): Value {
  return make.sqrt()(x);
}

/** `e^x`, elementwise. */
export function exp(x: Value): Value {
  return make.exp()(x);
}

/** The natural logarithm, elementwise. */
export function log(x: Value): Value {
  return make.log()(x);
}

/** `|x|`, elementwise; the gradient at 0 is 0. */
export function abs(x: Value): Value {
  return make.abs()(x);
}
