import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { describe, invalid, readOptions, type OptionRule } from '../graph/options.js';
import { elementsOf, printShape, type Shape } from '../graph/shape.js';
import { defineOp } from '../program/op.js';

export interface MaxoutOptions extends NamedOptions {
  /** Neighbouring channels of which the largest goes on, 2 to 256. */
  pieces: number;
}

interface Options {
  readonly pieces: number;
}

const pieces: OptionRule<number> = {
  read(value, where) {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 2 && value <= 256)
      return value;
    throw invalid(`${where} is ${describe(value)}`, 'Give a whole number from 2 to 256.');
  },
};
const rules = { pieces };

const attributes = { pieces: 'int32' } as const;

/** The shape with the channels of `pieces` each made one. */
function joined(x: Shape, pieces: number): number[] {
  const channels = x.at(-1);
  if (channels === undefined || channels % pieces !== 0)
    throw new ShapeError(`the channels of ${printShape(x)} are no groups of ${pieces}`, {
      remedy: `Give the layer before it a multiple of ${pieces} as channels.`,
    });
  return [...x.slice(0, -1), channels / pieces];
}

export const maxoutOp = defineOp({
  name: 'maxout',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
    { name: 'switches', role: 'out', optional: true, element: 'bytes' },
  ],
  attributes,
  eager: {
    attributes: (_shapes, options) => ({
      ...readOptions('maxout', rules, { pieces: options.pieces }),
    }),
    outputs: ({ x }, { pieces }, options) => {
      const shape = joined(x!, Number(pieces));
      return {
        y: { shape },
        ...(options.switches === true && { switches: { shape, dtype: 'uint8' as const } }),
      };
    },
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(maxoutBackwardOp, g.attributes, { dy, switches: g.operand('switches'), dx });
    });
  },
});

export const maxoutBackwardOp = defineOp({
  name: 'maxoutBackward',
  operands: [
    { name: 'dy', role: 'in' },
    { name: 'switches', role: 'in', element: 'bytes' },
    { name: 'dx', role: 'out' },
  ],
  attributes,
  eager: {
    attributes: (_shapes, options) => ({ ...readOptions('maxoutBackward', rules, options) }),
    outputs: ({ dy }, { pieces }) => ({
      dx: { shape: [...dy!.slice(0, -1), dy!.at(-1)! * Number(pieces)] },
    }),
  },
});

const make = defineLayer<Options>({
  kind: 'maxout',
  prefix: 'maxout',
  arity: 1,
  options: rules,
  shape: ([x], { pieces }) => joined(x!, pieces),
  flops: ([x]) => elementsOf(x!),
  forward(scope, [x], { pieces }) {
    const y = scope.tensor(scope.outputShape, { batched: x!.batched });
    const switches =
      scope.mode === 'train' || scope.differentiated
        ? scope.tensor(scope.outputShape, { name: 'switches', batched: x!.batched, dtype: 'uint8' })
        : undefined;
    scope.emit(maxoutOp, { pieces }, { x, y, switches });
    return y;
  },
});

/**
 * Maxout (Goodfellow et al. 2013): of every `pieces` neighbouring channels the largest goes on, so that
 * `[H, W, C]` becomes `[H, W, C / pieces]` and channel `j` compares `j pieces` to `j pieces + pieces - 1`
 * (the order of pylearn2 and TensorFlow Addons); vectors likewise. After `dense` or `conv2d` it is the
 * paper's layer, the maximum of affine pieces. The first of equal values gets the gradient; NaN passes on.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for channels that are no multiple of `pieces`.
 */
export function maxout(options: MaxoutOptions): Layer {
  return make(options);
}
