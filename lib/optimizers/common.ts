import type { Json } from '../graph/layer.js';
import { checkNames } from '../graph/options.js';
import {
  defineOp,
  type AttributeType,
  type AttributeValues,
  type OpDefinition,
  type OperandSpec,
  type Target,
} from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import { toSchedule, type Schedule } from '../schedules/schedule.js';
import { checkGroups, groupsToJSON, requireNumber, settingsOf } from './groups.js';
import { readClip } from './clip.js';
import type { Clip, Optimizer, ParameterGroup, UpdateScope } from './optimizer.js';

/** What every optimizer takes. */
export interface CommonOptions {
  /** A number or a schedule. */
  learningRate?: number | Schedule;
  /** Penalty on every parameter without one of its own. */
  weightDecay?: number;
  /** Other settings for parameters by name; the first group that matches decides. */
  groups?: readonly ParameterGroup[];
  /**
   * Bounds the gradients before they are used: all of them together by a norm, as PyTorch's
   * `clip_grad_norm_`, or each number by itself, as `clip_grad_value_`.
   */
  clip?: Clip;
}

/**
 * An optimizer's op; rate and step number come from the control block. See native/ops/slab.h, and for
 * `trust`, a ratio of norms for each segment, native/ops/trust.h.
 */
export function defineSlabOp(
  name: string,
  attributes: Readonly<Record<string, AttributeType>>,
  slots: readonly { name: string; optional?: boolean }[],
  { trust = false } = {},
): OpDefinition {
  const operands: OperandSpec[] = [
    { name: 'gradients', role: 'in', element: 'compute' },
    { name: 'segments', role: 'in', element: 'int32' },
    { name: 'clip', role: 'in', optional: true, element: 'compute' },
    { name: 'parameters', role: 'out', element: 'compute' },
    ...slots.map((slot) => ({ ...slot, role: 'out' as const, element: 'compute' as const })),
  ];
  if (!trust) return defineOp({ name, operands, attributes });
  operands.push(
    { name: 'trusted', role: 'in', element: 'int32' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  );
  // Two sums for each of 64 parts of a segment, and its ratio.
  const bytes = (2 * 64 + 1) * 8;
  const workspace: OpDefinition['workspace'] = (_, { segments }) => ({
    fixed: segments!.shape[0]! * bytes,
    perImage: 0,
  });
  return defineOp({ name, operands, attributes, workspace });
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
  if (op.operands.some(({ name }) => name === 'trusted')) operands.trusted = scope.trusted();
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
  checkNames(kind, ['learningRate', 'weightDecay', 'groups', 'clip', ...Object.keys(own)], options);
  const { weightDecay = rule.weightDecay } = options;
  requireNumber('weightDecay', weightDecay, (v) => v >= 0);
  const groups = checkGroups(options.groups ?? []);
  const clip = readClip(options.clip);
  const learningRate = toSchedule(options.learningRate ?? rule.learningRate);
  return {
    kind,
    learningRate,
    slots,
    groups,
    clip,
    settingsOf: (parameter) =>
      settingsOf(groups, parameter, {
        ...{ learningRateScale: 1, weightDecay, frozen: false, trustRatio: true },
      }),
    emit: (scope) => {
      rule.emit(scope);
    },
    toJSON: () => ({
      kind,
      learningRate: learningRate.toJSON(),
      ...own,
      weightDecay,
      groups: groupsToJSON(groups),
      ...(clip && { clip: { ...clip } }),
    }),
  };
}

export function requireShare(name: string, value: number): void {
  requireNumber(name, value, (v) => v >= 0 && v < 1, 'at least 0 and less than 1');
}
