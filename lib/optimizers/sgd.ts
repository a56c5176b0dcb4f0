import { StriateError } from '../errors.js';
import type { Schedule } from '../schedules/schedule.js';
import {
  defineSlabOp,
  emitSlabOp,
  makeOptimizer,
  requireShare,
  type CommonOptions,
} from './common.js';
import { requireSwitch } from './groups.js';
import type { Optimizer } from './optimizer.js';

export const sgdOp = defineSlabOp('sgd', { momentum: 'float32', nesterov: 'int32' }, [
  { name: 'momentum', optional: true },
]);

export interface SgdOptions extends CommonOptions {
  /** A number or a schedule. Default 0.01. */
  learningRate?: number | Schedule;
  /** Share of the last step's velocity that is kept. Default 0: plain descent, no memory. */
  momentum?: number;
  /** Looks ahead along the velocity; needs momentum. Default false. */
  nesterov?: boolean;
  /** L2 penalty on every parameter without one of its own. Default 0. */
  weightDecay?: number;
}

/**
 * Stochastic gradient descent with momentum, by PyTorch's rule:
 * `g += weightDecay * p; v = momentum * v + g; p -= learningRate * (nesterov ? g + momentum * v : v)`.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a negative or infinite number, or Nesterov without momentum.
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { momentum = 0, nesterov = false } = options;
  requireShare('momentum', momentum);
  requireSwitch('nesterov', nesterov);
  if (nesterov && momentum === 0)
    throw new StriateError('INVALID_ARGUMENT', 'nesterov needs momentum', {
      remedy: 'give momentum, 0.9 for example',
    });
  const slots = momentum === 0 ? [] : ['momentum'];
  return makeOptimizer(options, {
    kind: 'sgd',
    own: { momentum, nesterov },
    learningRate: 0.01,
    weightDecay: 0,
    slots,
    emit: (scope) => {
      emitSlabOp(scope, sgdOp, { momentum, nesterov: nesterov ? 1 : 0 }, slots);
    },
  });
}
