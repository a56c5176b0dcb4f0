import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { flag, optional, real, type OptionRules } from '../graph/options.js';
import { constant } from '../initializers/index.js';
import { defineOp } from '../program/op.js';

export interface PreluOptions extends NamedOptions {
  /** What the slopes begin with; default 0.25. */
  init?: number;
  /** One slope for all channels; default false: one for each. */
  shared?: boolean;
}

interface Options {
  readonly init: number;
  readonly shared: boolean;
}

const rules: OptionRules<Options> = {
  init: optional(real(), 0.25),
  shared: optional(flag, false),
};

const attributes = { reserved: 'int32' } as const;

export const preluOp = defineOp({
  name: 'prelu',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'w', role: 'in', element: 'compute' },
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
    g.contribute(['x', 'w'], ({ x: dx, w: dw }) => {
      const [x, w] = [g.operand('x'), g.operand('w')];
      g.emit(preluBackwardOp, { reserved: 0 }, { x, w, dy, dx, dw });
    });
  },
});

export const preluBackwardOp = defineOp({
  name: 'preluBackward',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'w', role: 'in', element: 'compute' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out', optional: true },
    { name: 'dw', role: 'out', optional: true, element: 'compute' },
    { name: 'workspace', role: 'out', optional: true, element: 'bytes' },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  // A double a channel for each of 128 parts (native/ops/prelu.h).
  workspace: (_attributes, { x, dw }) => ({
    fixed: dw === undefined ? 0 : 128 * 8 * x!.shape.at(-1)!,
    perImage: 0,
  }),
  eager: {
    attributes: () => ({ reserved: 0 }),
    outputs: ({ x, w }) => ({ dx: { shape: x! }, dw: { shape: w! } }),
  },
});

const make = defineLayer<Options>({
  kind: 'prelu',
  prefix: 'prelu',
  arity: 1,
  options: rules,
  inPlace: true,
  shape([x]) {
    if (x!.length > 0) return x!;
    throw new ShapeError('prelu needs channels, not a number', {
      remedy: 'Put the layer before the reduction to a number.',
    });
  },
  parameters([x], { init, shared }) {
    const shape = [shared ? 1 : x!.at(-1)!];
    return [
      { name: 'w', shape, init: constant(init), trainable: true, ...{ fanIn: 1, fanOut: 1 } },
    ];
  },
  forward(scope, [x]) {
    const y = scope.tensor(scope.outputShape, { batched: x!.batched });
    scope.emit(preluOp, { reserved: 0 }, { x, w: scope.parameter('w'), y });
    return y;
  },
});

/**
 * Parametric rectifier (He et al. 2015), elementwise: `y = x` above zero, `w x` elsewhere, with a slope
 * `w` that is learnt. NaN passes on. Any shape with channels, which it keeps. (PyTorch's `PReLU`, whose
 * `num_parameters` is 1 by default; here every channel has its own unless `shared`.)
 *
 * Parameter: `w` `[C]`, or `[1]` when shared. Weight decay would pull it towards a plain rectifier; the
 * authors use none.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown or out of range.
 */
export function prelu(options: PreluOptions = {}): Layer {
  return make(options);
}
