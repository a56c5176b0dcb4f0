import { StriateError } from '../errors.js';
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

export const adamOp = defineSlabOp(
  'adam',
  { beta1: 'float64', beta2: 'float64', epsilon: 'float64', decoupled: 'int32' },
  [{ name: 'average' }, { name: 'square' }, { name: 'maximum', optional: true }],
);

export interface AdamOptions extends CommonOptions {
  /** A number or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** Shares of the running averages of the gradient and of its square that are kept. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root of the average square. Default 1e-8. */
  epsilon?: number;
  /** Divides by the largest average square so far (Reddi et al., ICLR 2018). Default false. */
  amsgrad?: boolean;
  /** Of every parameter without one of its own; default 0 for `adam`, 0.01 for `adamW`. */
  weightDecay?: number;
}

/**
 * Adam (Kingma and Ba, ICLR 2015), by PyTorch's rule. The decay is an L2 penalty, part of the gradient.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a number out of its range.
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return make('adam', options, 0);
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), by PyTorch's rule: each step
 * first takes `learningRate * weightDecay` of a parameter away.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a number out of its range.
 */
export function adamW(options: AdamOptions = {}): Optimizer {
  return make('adamW', options, 0.01);
}

function make(kind: 'adam' | 'adamW', options: AdamOptions, weightDecay: number): Optimizer {
  const { epsilon = 1e-8, amsgrad = false } = options;
  const [beta1, beta2] = readBetas(options.betas);
  requireNumber('epsilon', epsilon, (v) => v >= 0);
  requireSwitch('amsgrad', amsgrad);
  const slots = ['average', 'square', ...(amsgrad ? ['maximum'] : [])];
  return makeOptimizer(options, {
    kind,
    own: { betas: [beta1, beta2], epsilon, amsgrad },
    learningRate: 1e-3,
    weightDecay,
    slots,
    emit: (scope) => {
      const decoupled = kind === 'adamW' ? 1 : 0;
      emitSlabOp(scope, adamOp, { beta1, beta2, epsilon, decoupled }, slots);
    },
  });
}

export function readBetas(given: unknown = [0.9, 0.999]): [number, number] {
  if (!Array.isArray(given) || given.length !== 2)
    throw new StriateError('INVALID_ARGUMENT', `betas is ${JSON.stringify(given)}`, {
      remedy: 'give two numbers: betas: [0.9, 0.999]',
    });
  const [beta1, beta2] = given as [number, number];
  requireShare('betas[0]', beta1);
  requireShare('betas[1]', beta2);
  return [beta1, beta2];
}
