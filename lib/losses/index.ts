import { StriateError } from '../errors.js';
import { huber, meanAbsoluteError, meanSquaredError, sigmoidCrossEntropy } from './element-loss.js';
import type { Loss } from './loss.js';
import { softmaxCrossEntropy } from './softmax-cross-entropy.js';
import { svmHinge } from './svm-hinge.js';

export { customLoss, type LossFunction } from './custom.js';
export {
  huber,
  meanAbsoluteError,
  meanSquaredError,
  sigmoidCrossEntropy,
  type HuberOptions,
} from './element-loss.js';
export type { Divisor, Loss, LossResult, TargetSpec } from './loss.js';
export { softmaxCrossEntropy, type SoftmaxCrossEntropyOptions } from './softmax-cross-entropy.js';
export { svmHinge, type SvmHingeOptions } from './svm-hinge.js';

/** The losses by kind, as files and the command line name them. */
export const lossFactories: Readonly<Record<string, (options: object) => Loss>> = {
  softmaxCrossEntropy,
  svmHinge,
  meanSquaredError,
  meanAbsoluteError,
  huber,
  sigmoidCrossEntropy,
};

/**
 * The loss that `toJSON()` wrote.
 *
 * @throws StriateError INVALID_ARGUMENT for one that plain data cannot hold: a function, or external.
 */
export function lossFromJSON(json: unknown): Loss {
  const { kind, ...options } = Object(json) as Record<string, unknown>;
  if (typeof kind === 'string' && Object.hasOwn(lossFactories, kind))
    return lossFactories[kind]!(options);
  throw new StriateError('INVALID_ARGUMENT', 'the loss is not one that a file can hold', {
    remedy: 'Give one: load(path, { loss }), or --loss of striate evaluate.',
  });
}
