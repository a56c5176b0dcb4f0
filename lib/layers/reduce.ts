import { defineLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import type { Value } from '../graph/value.js';
import { defineOp } from '../program/op.js';
import { eagerKind } from './eager.js';

export const reduceKinds = { sum: 0, mean: 1 } as const;

export const reduceOp = defineOp({
  name: 'reduce',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes: { kind: 'int32' },
  // One double for each of 64 parts (native/ops/reduce.h).
  workspace: () => ({ fixed: 64 * 8, perImage: 0 }),
  eager: {
    attributes: eagerKind(reduceKinds),
    outputs: () => ({ y: { shape: [] } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => g.emit(broadcastOp, g.attributes, { x: dy, y: dx }));
  },
});

export const broadcastOp = defineOp({
  name: 'broadcast',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: { kind: 'int32' },
  eager: {
    attributes: eagerKind(reduceKinds),
    outputs: (_shapes, _attributes, options) => ({
      y: { shape: (options as { shape?: readonly number[] }).shape ?? [] },
    }),
  },
});

function defineReduction(kind: keyof typeof reduceKinds): () => Layer {
  return defineLayer({
    kind,
    prefix: kind,
    arity: 1,
    options: {},
    batched: false,
    shape: () => [],
    forward(scope, [x]) {
      const y = scope.tensor([], { batched: false });
      scope.emit(reduceOp, { kind: reduceKinds[kind] }, { x, y });
      return y;
    },
  });
}

const makeSum = defineReduction('sum');
const makeMean = defineReduction('mean');

/** The sum of all elements of all images of the batch: one number. */
export function sum(x: Value): Value {
  return makeSum()(x);
}

/** The mean of all elements of all images of the batch: one number. */
export function mean(x: Value): Value {
  return makeMean()(x);
}
