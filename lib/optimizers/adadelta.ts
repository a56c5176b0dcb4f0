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

export const adadeltaOp = defineSlabOp('adadelta', { rho: 'float64', epsilon: 'float64' }, [
  { name: 'square' },
  { name: 'delta' },
]);

export interface AdadeltaOptions extends CommonOptions {
  /** A number or a schedule. Default 1. */
  learningRate?: number | Schedule;
  /** Share of the average squares that is kept. Default 0.9. */
  rho?: number;
  /** Added to the average squares under their roots. Default 1e-6. */
  epsilon?: number;
  /** L2 penalty on every parameter without one of its own. Default 0. */
  weightDecay?: number;
}

/**
 * Adadelta (Zeiler, arXiv:1212.5701), by PyTorch's rule: the step is the gradient times the ratio of the
 * average sizes of earlier steps and of the gradients.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a number out of its range.
 */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  const { rho = 0.9, epsilon = 1e-6 } = options;
  requireShare('rho', rho);
  requireNumber('epsilon', epsilon, (v) => v >= 0);
  const slots = ['square', 'delta'];
  return makeOptimizer(options, {
    kind: 'adadelta',
    own: { rho, epsilon },
    learningRate: 1,
    weightDecay: 0,
    slots,
    emit: (scope) => {
      emitSlabOp(scope, adadeltaOp, { rho, epsilon }, slots);
    },
  });
}
