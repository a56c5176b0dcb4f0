import type { Schedule } from '../schedules/schedule.js';
import {
  defineSlabOp,
  emitSlabOp,
  makeOptimizer,
  requireShare,
  type CommonOptions,
} from './common.js';
import { requireNumber } from './groups.js';
import type { Optimizer } from './optimizer.js';

export const larsOp = defineSlabOp(
  'lars',
  { momentum: 'float64', coefficient: 'float64', epsilon: 'float64' },
  [{ name: 'momentum' }],
  { trust: true },
);

export interface LarsOptions extends CommonOptions {
  /** A number or a schedule. Default 0.1. */
  learningRate?: number | Schedule;
  /** Share of the last step's velocity that is kept. Default 0.9. */
  momentum?: number;
  /** How far a parameter trusts its gradient: the length of a step in parts of its own. Default 0.001. */
  trustCoefficient?: number;
  /** Added to the norms that divide. Default 1e-8. */
  epsilon?: number;
  /** L2 penalty on every parameter without one of its own. Default 0. */
  weightDecay?: number;
}

/**
 * LARS, for large batches (You, Gitman and Ginsburg, arXiv:1708.03888): momentum whose rate for each
 * parameter is multiplied by `trustCoefficient |p| / (|g| + weightDecay |p|)`. Groups with
 * `trustRatio: false`, biases and normalisation as a rule, have a ratio of 1.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a number out of its range.
 */
export function lars(options: LarsOptions = {}): Optimizer {
  const { momentum = 0.9, trustCoefficient = 1e-3, epsilon = 1e-8 } = options;
  requireShare('momentum', momentum);
  requireNumber('trustCoefficient', trustCoefficient, (v) => v > 0, 'a number above 0');
  requireNumber('epsilon', epsilon, (v) => v >= 0);
  const slots = ['momentum'];
  return makeOptimizer(options, {
    kind: 'lars',
    own: { momentum, trustCoefficient, epsilon },
    learningRate: 0.1,
    weightDecay: 0,
    slots,
    emit: (scope) => {
      emitSlabOp(scope, larsOp, { momentum, coefficient: trustCoefficient, epsilon }, slots);
    },
  });
}
