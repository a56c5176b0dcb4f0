import { ShapeError } from '../errors.js';
import {
  describe,
  flag,
  invalid,
  maybe,
  readOptions,
  real,
  type OptionRule,
  type OptionRules,
} from '../graph/options.js';
import { elementsOf } from '../graph/shape.js';
import { defineOp } from '../program/op.js';
import { byLabels, ignoreLabel, requireScores } from './class-options.js';
import { byImages, type Loss } from './loss.js';
import { softCrossEntropyOp, weightedCrossEntropyOp } from './weighted-cross-entropy.js';

const kind = 'softmaxCrossEntropy';

const attributes = { ignoreLabel: 'int32' } as const;

function eagerAttributes(_shapes: unknown, options: object): { ignoreLabel: number } {
  return readOptions(kind, { ignoreLabel }, options);
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
  /**
   * From 0 (the default) to 1: the target is `1 - labelSmoothing` at the label and `labelSmoothing / classes`
   * everywhere besides (Szegedy et al., arXiv:1512.00567, section 7).
   */
  labelSmoothing?: number;
  /** What each class counts, as many as classes; default 1 each. The mean is over the labels' weights. */
  classWeights?: readonly number[];
  /** Targets are float32 distributions `[classes]` instead of labels; default false. */
  softTargets?: boolean;
}

interface Options {
  readonly ignoreLabel: number;
  readonly labelSmoothing: number | undefined;
  readonly classWeights: readonly number[] | undefined;
  readonly softTargets: boolean | undefined;
}

const classWeights: OptionRule<readonly number[]> = {
  read(value, where) {
    const isWeight = (w: unknown): boolean => typeof w === 'number' && Number.isFinite(w) && w >= 0;
    if (Array.isArray(value) && value.length > 0 && value.every(isWeight))
      return [...(value as number[])];
    throw invalid(`${where} is ${describe(value)}`, 'Give a number, 0 or more, for each class.');
  },
};

const rules: OptionRules<Options> = {
  ignoreLabel,
  labelSmoothing: maybe(real('a number from 0 to 1', (v) => v >= 0 && v <= 1)),
  classWeights: maybe(classWeights),
  softTargets: maybe(flag),
};

/**
 * Softmax and the cross-entropy of its output with the target: the mean over the labels that count of
 * `-log softmax(logits)[label]`. The network ends in logits `[classes]`; labels are int32 numbers
 * from 0 to below the number of classes. Smoothing, weights and soft targets are PyTorch's
 * `CrossEntropyLoss`: with class weights the mean divides by the sum of the labels' weights, with soft
 * targets by the images. Their accuracy takes the largest entry for the label.
 *
 * @throws StriateError INVALID_ARGUMENT for options out of range, and for an `ignoreLabel` with soft
 * targets; ShapeError, when training is set up, for weights of another number of classes.
 */
export function softmaxCrossEntropy(options: SoftmaxCrossEntropyOptions = {}): Loss {
  const read = readOptions<Options>(kind, rules, options);
  const { ignoreLabel, labelSmoothing = 0, classWeights, softTargets = false } = read;
  if (softTargets && options.ignoreLabel !== undefined && options.ignoreLabel !== -1)
    throw invalid(
      'softmaxCrossEntropy has an ignoreLabel, but soft targets are no labels',
      'Leave ignoreLabel out.',
    );
  const isPlain = labelSmoothing === 0 && classWeights === undefined && !softTargets;
  return {
    kind,
    toJSON: () => ({ kind, ...read }),
    target(output) {
      requireScores(kind, output);
      const classes = elementsOf(output);
      if (classWeights !== undefined && classWeights.length !== classes)
        throw new ShapeError(
          `softmaxCrossEntropy has ${classWeights.length} class weights, the network gives ${classes} classes`,
          { remedy: 'Give a weight for each class.' },
        );
      return softTargets ? { dtype: 'float32', shape: output } : { dtype: 'int32', shape: [] };
    },
    classes: elementsOf,
    divisor: () => (softTargets ? byImages : byLabels(ignoreLabel, classWeights)),
    forward(scope, output, target) {
      const classes = elementsOf(output.shape);
      const logits = scope.reshape(output, [classes]);
      const losses = scope.tensor([], { name: 'losses' });
      const statistics = scope.tensor([isPlain ? 4 : 5], { name: 'statistics', batched: false });
      if (isPlain) {
        const operands = { logits, labels: target, losses, statistics };
        scope.emit(softmaxCrossEntropyOp, { ignoreLabel }, operands);
        return { loss: statistics, form: 'statistics' };
      }
      const weights = classWeights && scope.constant('classWeights', classWeights);
      const attributes = { ignoreLabel, labelSmoothing };
      if (softTargets) {
        const operands = { logits, target: scope.reshape(target, [classes]), weights };
        scope.emit(softCrossEntropyOp, attributes, { ...operands, losses, statistics });
      } else {
        const operands = { logits, labels: target, weights, losses, statistics };
        scope.emit(weightedCrossEntropyOp, attributes, operands);
      }
      return { loss: statistics, form: 'statistics' };
    },
  };
}
