import type { Json } from '../graph/layer.js';
import { checkNames } from '../graph/options.js';
import {
  defineOp,
  type AttributeType,
  type AttributeValues,
  type OpDefinition,
  type Target,
} from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import { toSchedule, type Schedule } from '../schedules/schedule.js';
import { checkGroups, groupsToJSON, requireNumber, settingsOf } from './groups.js';
import type { Optimizer, ParameterGroup, UpdateScope } from './optimizer.js';

/** What every optimizer takes. */
export interface CommonOptions {
  /** A number or a schedule. */
  learningRate?: number | Schedule;
  /** Penalty on every parameter without one of its own. */
  weightDecay?: number;
  /** Other settings for parameters by name; the first group that matches decides. */
  groups?: readonly ParameterGroup[];
}

/** One pass over the slab; rate and step number come from the control block. See native/ops/slab.h. */
export function defineSlabOp(
  name: string,
  attributes: Readonly<Record<string, AttributeType>>,
  slots: readonly { name: string; optional?: boolean }[],
): OpDefinition {
  return defineOp({
    name,
    operands: [
      { name: 'gradients', role: 'in', element: 'compute' },
      { name: 'segments', role: 'in', element: 'int32' },
      { name: 'clip', role: 'in', optional: true, element: 'compute' },
      { name: 'parameters', role: 'out', element: 'compute' },
      ...slots.map((slot) => ({ ...slot, role: 'out' as const, element: 'compute' as const })),
    ],
    attributes,
  });
}

/** Emits such an op; `slots` are those that it is given. */
export function emitSlabOp(
  scope: UpdateScope,
  op: OpDefinition,
  attributes: AttributeValues,
  slots: readonly string[],
): void {
  const { gradients, segments, clip, parameters } = scope;
  const operands: Record<string, Tensor | Target | undefined> = {
    gradients,
    segments,
    clip,
    parameters: { tensor: parameters, access: 'accumulate' },
  };
  for (const name of slots) operands[name] = { tensor: scope.slot(name), access: 'accumulate' };
  scope.emit(op, attributes, operands);
}

/** What one optimizer is beside its common options. */
export interface Rule {
  kind: string;
  /** The options of its own, defaults filled in: names for the check, values for the file. */
  own: Readonly<Record<string, Json>>;
  learningRate: number;
  weightDecay: number;
  slots: readonly string[];
  emit(scope: UpdateScope): void;
}

/** Checks the common options and puts them and the rule together. */
export function makeOptimizer(options: CommonOptions, rule: Rule): Optimizer {
  const { kind, own, slots } = rule;
  checkNames(kind, ['learningRate', 'weightDecay', 'groups', ...Object.keys(own)], options);
  const { weightDecay = rule.weightDecay } = options;
  requireNumber('weightDecay', weightDecay, (v) => v >= 0);
  const groups = checkGroups(options.groups ?? []);
  const learningRate = toSchedule(options.learningRate ?? rule.learningRate);
  return {
    kind,
    learningRate,
    slots,
    groups,
    settingsOf: (parameter) =>
      settingsOf(groups, parameter, { learningRateScale: 1, weightDecay, frozen: false }),
    emit: (scope) => {
      rule.emit(scope);
    },
    toJSON: () => ({
      kind,
      learningRate: learningRate.toJSON(),
      ...own,
      weightDecay,
      groups: groupsToJSON(groups),
    }),
  };
}

export function requireShare(name: string, value: number): void {
  requireNumber(name, value, (v) => v >= 0 && v < 1, 'at least 0 and less than 1');
}
