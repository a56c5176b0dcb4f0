import { optional, readOptions, real } from '../graph/options.js';
import { defineOp, type AttributeValues, type OpDefinition } from '../program/op.js';
import { ignoreLabel } from './class-options.js';

const attributes = { ignoreLabel: 'int32', labelSmoothing: 'float32' } as const;

const rules = { ignoreLabel, labelSmoothing: optional(real(), 0) };

function eagerAttributes(_shapes: unknown, options: object): AttributeValues {
  return readOptions('softmaxCrossEntropy', rules, options);
}

const logits = { name: 'logits', role: 'in', element: 'compute' } as const;
const weights = { name: 'weights', role: 'in', optional: true, element: 'compute' } as const;

/** Both ops and their gradients; `target` is the operand between logits and weights. */
function definePair(
  name: string,
  target: { name: 'labels' | 'target'; role: 'in'; element: 'int32' | 'compute' },
): OpDefinition {
  const backward = defineOp({
    name: `${name}Backward`,
    operands: [
      logits,
      target,
      weights,
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
  return defineOp({
    name,
    operands: [
      logits,
      target,
      weights,
      { name: 'losses', role: 'out', element: 'compute' },
      { name: 'statistics', role: 'out', element: 'compute' },
    ],
    attributes,
    eager: {
      attributes: eagerAttributes,
      outputs: ({ logits }) => ({ losses: { shape: [logits![0]!] }, statistics: { shape: [5] } }),
    },
    // The loss's own seed is in the op: control.lossScale over the divisor.
    backward(g) {
      g.contribute(['logits'], ({ logits: dx }) => {
        g.emit(backward, g.attributes, {
          logits: g.operand('logits'),
          [target.name]: g.operand(target.name),
          weights: g.optionalOperand('weights'),
          statistics: g.operand('statistics'),
          dx,
        });
      });
    },
  });
}

/** With labels `[n]`, smoothed, and weights of the classes. */
export const weightedCrossEntropyOp = definePair('weightedCrossEntropy', {
  name: 'labels',
  role: 'in',
  element: 'int32',
});

/** With distributions `[n, classes]` as targets. */
export const softCrossEntropyOp = definePair('softCrossEntropy', {
  name: 'target',
  role: 'in',
  element: 'compute',
});
