import { ShapeError } from '../errors.js';
import { defineLayer } from '../graph/define-layer.js';
import type { Layer, LayerDefinition } from '../graph/layer.js';
import { printShape, sameShape, type Shape } from '../graph/shape.js';
import { copy } from '../program/copy.js';
import { defineOp, type GradientScope } from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import { eagerKind } from './eager.js';
import { reduceOp, reduceKinds } from './reduce.js';

export const binaryKinds = { add: 0, sub: 1, mul: 2, div: 3 } as const;

export const binaryOp = defineOp({
  name: 'binary',
  light: true,
  operands: [
    { name: 'a', role: 'in' },
    { name: 'b', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: { kind: 'int32' },
  inPlace: [
    ['y', 'a'],
    ['y', 'b'],
  ],
  eager: {
    attributes: eagerKind(binaryKinds),
    outputs: ({ a }) => ({ y: { shape: a! } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    switch (g.attributes.kind) {
      case binaryKinds.add:
        g.pass('a', dy);
        return toB(g, dy, 1);
      case binaryKinds.sub:
        g.pass('a', dy);
        return toB(g, dy, -1);
      case binaryKinds.mul:
        toA(g, dy, binaryKinds.mul);
        return product(g, dy);
      default:
        toA(g, dy, binaryKinds.div);
        return quotient(g, dy);
    }
  },
});

/** da = dy b or dy / b. */
function toA(g: GradientScope, dy: Tensor, kind: number): void {
  g.contribute(['a'], ({ a: da }) => {
    g.emit(binaryOp, { kind }, { a: dy, b: g.operand('b'), y: da });
  });
}

/** db = dy a. */
function product(g: GradientScope, dy: Tensor): void {
  if (!g.wants('b')) return;
  const a = g.operand('a');
  if (!isScalarFor(g, dy)) {
    g.contribute(['b'], ({ b: db }) =>
      g.emit(binaryOp, { kind: binaryKinds.mul }, { a: dy, b: a, y: db }),
    );
    return;
  }
  const part = like(g, dy, 'product');
  g.emit(binaryOp, { kind: binaryKinds.mul }, { a: dy, b: a, y: part });
  toB(g, part, 1);
}

/** db = -dy y / b. */
function quotient(g: GradientScope, dy: Tensor): void {
  if (!g.wants('b')) return;
  const scaled = like(g, dy, 'product');
  g.emit(binaryOp, { kind: binaryKinds.mul }, { a: dy, b: g.operand('y'), y: scaled });
  const part = like(g, dy, 'quotient');
  g.emit(binaryOp, { kind: binaryKinds.div }, { a: scaled, b: g.operand('b'), y: part });
  toB(g, part, -1);
}

/** db = sign part; summed up when b is one number that stood for every element. */
function toB(g: GradientScope, part: Tensor, sign: 1 | -1): void {
  if (!g.wants('b')) return;
  if (!isScalarFor(g, part)) {
    if (sign === 1) return g.pass('b', part);
    return g.contribute(['b'], ({ b: db }) =>
      g.emit(copy, { alpha: -1, beta: 0 }, { x: part, y: db }),
    );
  }
  const total = { kind: reduceKinds.sum };
  if (sign === 1)
    return g.contribute(['b'], ({ b: db }) => g.emit(reduceOp, total, { x: part, y: db }));
  const sum = g.temporary([], { batched: false, name: 'sum' });
  g.emit(reduceOp, total, { x: part, y: sum });
  g.contribute(['b'], ({ b: db }) => g.emit(copy, { alpha: -1, beta: 0 }, { x: sum, y: db }));
}

function isScalarFor(g: GradientScope, volume: Tensor): boolean {
  const b = g.operand('b');
  return b.shape.length === 0 && !b.batched && (volume.shape.length > 0 || volume.batched);
}

function like(g: GradientScope, tensor: Tensor, name: string): Tensor {
  return g.temporary(tensor.shape, {
    batched: tensor.batched,
    name,
    category: 'activationGradients',
  });
}

/** Both of one shape, or the second a single number (what `mean` and `sum` give). */
function binaryShape(
  kind: string,
  [a, b]: readonly [Shape, Shape],
  [aBatched, bBatched]: readonly [boolean, boolean],
): Shape {
  if (sameShape(a, b) && aBatched === bBatched) return a;
  if (b.length === 0 && !bBatched) return a;
  throw new ShapeError(`${printShape(a)} and ${printShape(b)} cannot go together in ${kind}`, {
    remedy: 'Both have one shape, or the second is a single number, such as mean(x).',
  });
}

/** An elementwise operation of two values. */
export function defineBinary(kind: keyof typeof binaryKinds): () => Layer {
  const definition: LayerDefinition = {
    kind,
    prefix: kind,
    arity: 2,
    options: {},
    shape: ([a, b], _options, { batched }) =>
      binaryShape(kind, [a!, b!], [batched[0]!, batched[1]!]),
    forward(scope, [a, b]) {
      const y = scope.tensor(scope.outputShape, { batched: a!.batched });
      scope.emit(binaryOp, { kind: binaryKinds[kind] }, { a, b, y });
      return y;
    },
  };
  return defineLayer(definition);
}
