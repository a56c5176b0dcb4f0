import type { Schedule } from '../schedules/schedule.js';
import { readBetas } from './adam.js';
import { defineSlabOp, emitSlabOp, makeOptimizer, type CommonOptions } from './common.js';
import { requireNumber } from './groups.js';
import type { Optimizer } from './optimizer.js';

export const lambOp = defineSlabOp(
  'lamb',
  { beta1: 'float64', beta2: 'float64', epsilon: 'float64' },
  [{ name: 'average' }, { name: 'square' }],
  { trust: true },
);

export interface LambOptions extends CommonOptions {
  /** A number or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** Shares of the running averages of the gradient and of its square that are kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root of the average square. Default 1e-6. */
  epsilon?: number;
  /** Decoupled decay of every parameter without one of its own. Default 0.01. */
  weightDecay?: number;
}

/**
 * LAMB, for large batches (You et al., ICLR 2020, arXiv:1904.00962): Adam's step with decoupled decay,
 * scaled for each parameter to the parameter's own norm. Groups with `trustRatio: false`, biases and
 * normalisation as a rule, have a ratio of 1.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a number out of its range.
 */
export function lamb(options: LambOptions = {}): Optimizer {
  const { epsilon = 1e-6 } = options;
  const [beta1, beta2] = readBetas(options.betas);
  requireNumber('epsilon', epsilon, (v) => v >= 0);
  const slots = ['average', 'square'];
  return makeOptimizer(options, {
    kind: 'lamb',
    own: { betas: [beta1, beta2], epsilon },
    learningRate: 1e-3,
    weightDecay: 0.01,
    slots,
    emit: (scope) => {
      emitSlabOp(scope, lambOp, { beta1, beta2, epsilon }, slots);
    },
  });
}
