import type { Schedule } from '../schedules/schedule.js';
import {
  defineSlabOp,
  emitSlabOp,
  makeOptimizer,
  requireShare,
  type CommonOptions,
} from './common.js';
import { requireNumber, requireSwitch } from './groups.js';
import type { Optimizer } from './optimizer.js';

export const rmsPropOp = defineSlabOp(
  'rmsProp',
  { alpha: 'float64', epsilon: 'float64', momentum: 'float64' },
  [{ name: 'square' }, { name: 'average', optional: true }, { name: 'momentum', optional: true }],
);

export interface RmsPropOptions extends CommonOptions {
  /** A number or a schedule. Default 0.01. */
  learningRate?: number | Schedule;
  /** Share of the average square that is kept. Default 0.99. */
  alpha?: number;
  /** Added to the root of the average square. Default 1e-8. */
  epsilon?: number;
  /** Share of the last step's velocity that is kept. Default 0. */
  momentum?: number;
  /** Divides by the deviation from the average gradient instead (Graves, arXiv:1308.0850). Default false. */
  centered?: boolean;
  /** L2 penalty on every parameter without one of its own. Default 0. */
  weightDecay?: number;
}

/**
 * RMSProp (Tieleman and Hinton, lecture 6.5 of 2012), by PyTorch's rule:
 * `square = alpha * square + (1 - alpha) g^2; p -= learningRate * g / (sqrt(square) + epsilon)`.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a number out of its range.
 */
export function rmsProp(options: RmsPropOptions = {}): Optimizer {
  const { alpha = 0.99, epsilon = 1e-8, momentum = 0, centered = false } = options;
  requireShare('alpha', alpha);
  requireNumber('epsilon', epsilon, (v) => v >= 0);
  requireShare('momentum', momentum);
  requireSwitch('centered', centered);
  const slots = ['square', ...(centered ? ['average'] : []), ...(momentum > 0 ? ['momentum'] : [])];
  return makeOptimizer(options, {
    kind: 'rmsProp',
    own: { alpha, epsilon, momentum, centered },
    learningRate: 0.01,
    weightDecay: 0,
    slots,
    emit: (scope) => {
      emitSlabOp(scope, rmsPropOp, { alpha, epsilon, momentum }, slots);
    },
  });
}
