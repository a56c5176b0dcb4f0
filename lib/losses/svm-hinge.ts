import { flag, optional, readOptions, real } from '../graph/options.js';
import { elementsOf } from '../graph/shape.js';
import { defineOp, type AttributeValues } from '../program/op.js';
import { byLabels, ignoreLabel, requireScores } from './class-options.js';
import type { Loss } from './loss.js';

const kind = 'svmHinge';

const attributes = { ignoreLabel: 'int32', margin: 'float32', squared: 'int32' } as const;

const rules = {
  margin: optional(
    real('a number, 0 or more', (v) => v >= 0),
    1,
  ),
  squared: optional(flag, false),
  ignoreLabel,
};

function eagerAttributes(_shapes: unknown, options: object): AttributeValues {
  const { squared, ...rest } = readOptions(kind, rules, options);
  return { ...rest, squared: Number(squared) };
}

export const svmHingeOp = defineOp({
  name: 'svmHinge',
  operands: [
    { name: 'logits', role: 'in', element: 'compute' },
    { name: 'labels', role: 'in', element: 'int32' },
    { name: 'losses', role: 'out', element: 'compute' },
    { name: 'statistics', role: 'out', element: 'compute' },
  ],
  attributes,
  eager: {
    attributes: eagerAttributes,
    outputs: ({ logits }) => ({ losses: { shape: [logits![0]!] }, statistics: { shape: [4] } }),
  },
  // The loss's own seed is in the op: control.lossScale over the count of labels.
  backward(g) {
    g.contribute(['logits'], ({ logits: dx }) => {
      const [logits, labels] = [g.operand('logits'), g.operand('labels')];
      const statistics = g.operand('statistics');
      g.emit(svmHingeBackwardOp, g.attributes, { logits, labels, statistics, dx });
    });
  },
});

export const svmHingeBackwardOp = defineOp({
  name: 'svmHingeBackward',
  operands: [
    { name: 'logits', role: 'in', element: 'compute' },
    { name: 'labels', role: 'in', element: 'int32' },
    { name: 'statistics', role: 'in', element: 'compute' },
    { name: 'dx', role: 'out', element: 'compute' },
  ],
  attributes,
  inPlace: [['dx', 'logits']],
  eager: {
    attributes: eagerAttributes,
    outputs: ({ logits }) => ({ dx: { shape: logits! } }),
  },
});

export interface SvmHingeOptions {
  /** By how much the label's score is to exceed the others; default 1. */
  margin?: number;
  /** The squares of what is missing to the margin (L2-SVM); default false. */
  squared?: boolean;
  /** Images with this label count neither in the loss nor in the accuracy; default -1. */
  ignoreLabel?: number;
}

/**
 * The multiclass support vector machine's loss of the CS231n notes: the mean over the labels that count of
 * the sum over the other classes of `max(0, score - score of the label + margin)`. The network ends in
 * scores `[classes]`, labels are as for `softmaxCrossEntropy`. PyTorch's `MultiMarginLoss` is this divided
 * by the number of classes.
 *
 * @throws StriateError INVALID_ARGUMENT for a margin below 0.
 */
export function svmHinge(options: SvmHingeOptions = {}): Loss {
  const read = readOptions(kind, rules, options);
  return {
    kind,
    toJSON: () => ({ kind, ...read }),
    target(output) {
      requireScores(kind, output);
      return { dtype: 'int32', shape: [] };
    },
    classes: elementsOf,
    divisor: () => byLabels(read.ignoreLabel),
    forward(scope, output, labels) {
      const logits = scope.reshape(output, [elementsOf(output.shape)]);
      const losses = scope.tensor([], { name: 'losses' });
      const statistics = scope.tensor([4], { name: 'statistics', batched: false });
      const operands = { logits, labels, losses, statistics };
      scope.emit(svmHingeOp, eagerAttributes(undefined, read), operands);
      return { loss: statistics, form: 'statistics' };
    },
  };
}
