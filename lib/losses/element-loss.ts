import { readOptions, type OptionRules } from '../graph/options.js';
import { optional, real } from '../graph/options.js';
import { elementsOf } from '../graph/shape.js';
import { defineOp, type AttributeValues, type Extent, type Operands } from '../program/op.js';
import { byImages, type Loss } from './loss.js';

/** In the order of the op's attribute. */
const kinds = ['meanSquaredError', 'meanAbsoluteError', 'huber', 'sigmoidCrossEntropy'] as const;
type Kind = (typeof kinds)[number];

const attributes = { kind: 'int32', delta: 'float32' } as const;

/** Elements of a row that native/ops/element_loss.h adds up together. */
const part = 2048;

function workspace(_attributes: AttributeValues, { x }: Operands): Extent {
  return { fixed: 0, perImage: 8 * Math.ceil(elementsOf(x!.shape) / part) };
}

function eagerAttributes(
  _shapes: unknown,
  options: { kind?: Kind; delta?: number },
): AttributeValues {
  return attributesOf(options.kind ?? 'meanSquaredError', options.delta ?? 1);
}

function attributesOf(kind: Kind, delta: number): AttributeValues {
  return { kind: kinds.indexOf(kind), delta };
}

export const elementLossOp = defineOp({
  name: 'elementLoss',
  operands: [
    { name: 'x', role: 'in', element: 'compute' },
    { name: 'target', role: 'in', element: 'compute' },
    { name: 'losses', role: 'out', element: 'compute' },
    { name: 'statistics', role: 'out', element: 'compute' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  workspace,
  eager: {
    attributes: eagerAttributes,
    outputs: ({ x }) => ({ losses: { shape: [x![0]!] }, statistics: { shape: [4] } }),
  },
  // The loss's own seed is in the op: control.lossScale over the elements of all samples.
  backward(g) {
    g.contribute(['x'], ({ x: dx }) => {
      const [x, target] = [g.operand('x'), g.operand('target')];
      const statistics = g.operand('statistics');
      g.emit(elementLossBackwardOp, g.attributes, { x, target, statistics, dx });
    });
  },
});

export const elementLossBackwardOp = defineOp({
  name: 'elementLossBackward',
  operands: [
    { name: 'x', role: 'in', element: 'compute' },
    { name: 'target', role: 'in', element: 'compute' },
    { name: 'statistics', role: 'in', element: 'compute' },
    { name: 'dx', role: 'out', element: 'compute' },
  ],
  attributes,
  inPlace: [
    ['dx', 'x'],
    ['dx', 'target'],
  ],
  eager: {
    attributes: eagerAttributes,
    outputs: ({ x }) => ({ dx: { shape: x! } }),
  },
});

function elementLoss<Options extends object>(
  kind: Kind,
  rules: OptionRules<Options>,
  options: Options,
): Loss {
  const read = readOptions(kind, rules, options);
  const { delta = 1 } = read as { delta?: number };
  return {
    kind,
    toJSON: () => ({ kind, ...read }),
    target: (output) => ({ dtype: 'float32', shape: output }),
    divisor: () => byImages,
    forward(scope, output, targets) {
      const elements = [elementsOf(output.shape)];
      const [x, target] = [scope.reshape(output, elements), scope.reshape(targets, elements)];
      const losses = scope.tensor([], { name: 'losses' });
      const statistics = scope.tensor([4], { name: 'statistics', batched: false });
      scope.emit(elementLossOp, attributesOf(kind, delta), { x, target, losses, statistics });
      return { loss: statistics, form: 'statistics' };
    },
  };
}

/**
 * The mean of `(output - target)^2` over images and elements, as PyTorch's `MSELoss`. Targets are float32
 * numbers of the output's shape.
 */
export function meanSquaredError(): Loss {
  return elementLoss('meanSquaredError', {}, {});
}

/**
 * The mean of `|output - target|` over images and elements, as PyTorch's `L1Loss`; its gradient is 0 where
 * both are equal. Targets are float32 numbers of the output's shape.
 */
export function meanAbsoluteError(): Loss {
  return elementLoss('meanAbsoluteError', {}, {});
}

export interface HuberOptions {
  /** Up to this difference the loss is quadratic, linear beyond; default 1. */
  delta?: number;
}

/**
 * The mean over images and elements of `d^2 / 2` for a difference d of at most `delta`, and of
 * `delta (|d| - delta / 2)` beyond (Huber 1964), as PyTorch's `HuberLoss`. Targets are float32 numbers of
 * the output's shape.
 *
 * @throws StriateError INVALID_ARGUMENT for a delta that is not above 0.
 */
export function huber(options: HuberOptions = {}): Loss {
  const delta = optional(
    real('a number above 0', (v) => v > 0),
    1,
  );
  return elementLoss<{ delta: number }>('huber', { delta }, options as { delta: number });
}

/**
 * The cross-entropy of independent probabilities `sigmoid(output)` with targets from 0 to 1, the mean over
 * images and elements, as PyTorch's `BCEWithLogitsLoss` (Caffe's sums over the elements). The network ends
 * in logits; targets are float32 numbers of the output's shape.
 */
export function sigmoidCrossEntropy(): Loss {
  return elementLoss('sigmoidCrossEntropy', {}, {});
}
