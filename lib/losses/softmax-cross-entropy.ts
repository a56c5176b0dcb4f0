import { ShapeError } from '../errors.js';
import { optional, readOptions, type OptionRule } from '../graph/options.js';
import { describe, invalid } from '../graph/options.js';
import { elementsOf, printShape } from '../graph/shape.js';
import { defineOp } from '../program/op.js';
import type { Loss } from './loss.js';

const attributes = { ignoreLabel: 'int32' } as const;

function eagerAttributes(_shapes: unknown, options: object): { ignoreLabel: number } {
  return readOptions('softmaxCrossEntropy', rules, options);
}

export const softmaxCrossEntropyOp = defineOp({
  name: 'softmaxCrossEntropy',
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
      g.emit(softmaxCrossEntropyBackwardOp, g.attributes, { logits, labels, statistics, dx });
    });
  },
});

export const softmaxCrossEntropyBackwardOp = defineOp({
  name: 'softmaxCrossEntropyBackward',
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

/** Probabilities from logits; for outputs, without a gradient of its own. */
export const softmaxOp = defineOp({
  name: 'softmax',
  operands: [
    { name: 'x', role: 'in', element: 'compute' },
    { name: 'y', role: 'out', element: 'compute' },
  ],
  attributes,
  inPlace: [['y', 'x']],
  eager: {
    attributes: () => ({ ignoreLabel: -1 }),
    outputs: ({ x }) => ({ y: { shape: x! } }),
  },
});

export interface SoftmaxCrossEntropyOptions {
  /** Images with this label count neither in the loss nor in the accuracy; default -1. */
  ignoreLabel?: number;
}

const label: OptionRule<number> = {
  read(value, where) {
    if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31)
      return value;
    throw invalid(`${where} is ${describe(value)}`, 'Give a whole number.');
  },
};

const rules = { ignoreLabel: optional(label, -1) };

/**
 * Softmax and the cross-entropy of its output with integer labels: the mean over the labels that count
 * of `-log softmax(logits)[label]`. The network ends in logits `[classes]`; labels are int32 numbers
 * from 0 to below the number of classes.
 */
export function softmaxCrossEntropy(options: SoftmaxCrossEntropyOptions = {}): Loss {
  const kind = 'softmaxCrossEntropy';
  const attributes = readOptions(kind, rules, options);
  return {
    kind,
    toJSON: () => ({ kind, ...attributes }),
    target(output) {
      if (output.length > 0 && output.at(-1) === elementsOf(output))
        return { dtype: 'int32', shape: [] };
      throw new ShapeError(
        `softmaxCrossEntropy needs logits [classes], the network gives ${printShape(output)}`,
        {
          remedy: 'End the network with dense({ units: classes }), flatten() or globalAvgPool2d().',
        },
      );
    },
    count(labels) {
      let count = 0;
      for (let i = 0; i < labels.length; i++) if (labels[i] !== attributes.ignoreLabel) count++;
      return count;
    },
    forward(scope, output, labels) {
      const logits = scope.reshape(output, [elementsOf(output.shape)]);
      const losses = scope.tensor([], { name: 'losses' });
      const statistics = scope.tensor([4], { name: 'statistics', batched: false });
      scope.emit(softmaxCrossEntropyOp, attributes, { logits, labels, losses, statistics });
      return { loss: statistics, form: 'statistics' };
    },
  };
}
