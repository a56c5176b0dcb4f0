import { StriateError } from '../errors.js';
import { checkNames } from '../graph/options.js';
import { defineOp } from '../program/op.js';
import { toSchedule, type Schedule } from '../schedules/schedule.js';
import { checkGroups, groupsToJSON, requireNumber, settingsOf } from './groups.js';
import type { Optimizer, ParameterGroup, UpdateScope } from './optimizer.js';

/** One pass over the slab; the learning rate comes from the control block. */
export const sgdOp = defineOp({
  name: 'sgd',
  operands: [
    { name: 'gradients', role: 'in', element: 'compute' },
    { name: 'segments', role: 'in', element: 'int32' },
    { name: 'parameters', role: 'out', element: 'compute' },
    { name: 'momentum', role: 'out', optional: true, element: 'compute' },
  ],
  attributes: { momentum: 'float32', nesterov: 'int32' },
});

export interface SgdOptions {
  /** A number or a schedule. Default 0.01. */
  learningRate?: number | Schedule;
  /** Share of the last step's velocity that is kept. Default 0: plain descent, no memory. */
  momentum?: number;
  /** Looks ahead along the velocity; needs momentum. Default false. */
  nesterov?: boolean;
  /** L2 penalty on every parameter without one of its own. Default 0. */
  weightDecay?: number;
  /** Other settings for parameters by name; the first group that matches decides. */
  groups?: readonly ParameterGroup[];
}

/**
 * Stochastic gradient descent with momentum, by PyTorch's rule:
 * `g += weightDecay * p; v = momentum * v + g; p -= learningRate * (nesterov ? g + momentum * v : v)`.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a negative or infinite number, or Nesterov without momentum.
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkNames('sgd', ['learningRate', 'momentum', 'nesterov', 'weightDecay', 'groups'], options);
  const { learningRate = 0.01, momentum = 0, nesterov = false, weightDecay = 0 } = options;
  requireNumber('momentum', momentum, (v) => v >= 0 && v < 1, 'at least 0 and less than 1');
  requireNumber('weightDecay', weightDecay, (v) => v >= 0);
  if (nesterov && momentum === 0)
    throw new StriateError('INVALID_ARGUMENT', 'nesterov needs momentum', {
      remedy: 'give momentum, 0.9 for example',
    });
  const groups = checkGroups(options.groups ?? []);
  const schedule = toSchedule(learningRate);
  return {
    kind: 'sgd',
    learningRate: schedule,
    slots: momentum === 0 ? [] : ['momentum'],
    groups,
    settingsOf: (parameter) => settingsOf(groups, parameter, { learningRateScale: 1, weightDecay }),
    emit: (scope) => {
      update(scope, momentum, nesterov);
    },
    toJSON: () => ({
      kind: 'sgd',
      learningRate: schedule.toJSON(),
      momentum,
      nesterov,
      weightDecay,
      groups: groupsToJSON(groups),
    }),
  };
}

function update(scope: UpdateScope, momentum: number, nesterov: boolean): void {
  const { gradients, segments, parameters } = scope;
  scope.emit(
    sgdOp,
    { momentum, nesterov: nesterov ? 1 : 0 },
    {
      gradients,
      segments,
      parameters: { tensor: parameters, access: 'accumulate' },
      momentum:
        momentum === 0 ? undefined : { tensor: scope.slot('momentum'), access: 'accumulate' },
    },
  );
}
