import type { Schedule } from '../schedules/schedule.js';
import { defineSlabOp, emitSlabOp, makeOptimizer, type CommonOptions } from './common.js';
import { requireNumber } from './groups.js';
import type { Optimizer } from './optimizer.js';

export const adagradOp = defineSlabOp(
  'adagrad',
  { rateDecay: 'float64', initialAccumulator: 'float64', epsilon: 'float64' },
  [{ name: 'sum' }],
);

export interface AdagradOptions extends CommonOptions {
  /** A number or a schedule. Default 0.01. */
  learningRate?: number | Schedule;
  /** The rate is divided by 1 + this times the steps completed. Default 0. */
  learningRateDecay?: number;
  /** Where the sums of squares begin. Default 0. */
  initialAccumulator?: number;
  /** Added to the root of the sum. Default 1e-10. */
  epsilon?: number;
  /** L2 penalty on every parameter without one of its own. Default 0. */
  weightDecay?: number;
}

/**
 * Adagrad (Duchi et al., JMLR 2011), by PyTorch's rule:
 * `sum += g^2; p -= learningRate * g / (sqrt(sum) + epsilon)`.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a number out of its range.
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  const { learningRateDecay = 0, initialAccumulator = 0, epsilon = 1e-10 } = options;
  requireNumber('learningRateDecay', learningRateDecay, (v) => v >= 0);
  requireNumber('initialAccumulator', initialAccumulator, (v) => v >= 0);
  requireNumber('epsilon', epsilon, (v) => v >= 0);
  const slots = ['sum'];
  return makeOptimizer(options, {
    kind: 'adagrad',
    own: { learningRateDecay, initialAccumulator, epsilon },
    learningRate: 0.01,
    weightDecay: 0,
    slots,
    emit: (scope) => {
      const rateDecay = learningRateDecay;
      emitSlabOp(scope, adagradOp, { rateDecay, initialAccumulator, epsilon }, slots);
    },
  });
}
