import { StriateError } from '../errors.js';
import type { Loss } from './loss.js';
import { softmaxCrossEntropy } from './softmax-cross-entropy.js';

export { customLoss, type LossFunction } from './custom.js';
export type { Loss, LossResult, TargetSpec } from './loss.js';
export { softmaxCrossEntropy, type SoftmaxCrossEntropyOptions } from './softmax-cross-entropy.js';

/**
 * The loss that `toJSON()` wrote.
 *
 * @throws StriateError INVALID_ARGUMENT for one that plain data cannot hold: a function, or external.
 */
export function lossFromJSON(json: unknown): Loss {
  const { kind, ...options } = Object(json) as Record<string, unknown>;
  if (kind === 'softmaxCrossEntropy') return softmaxCrossEntropy(options);
  throw new StriateError('INVALID_ARGUMENT', 'the loss is not one that a file can hold', {
    remedy: 'Make a trainer with the loss, and evaluate there.',
  });
}
