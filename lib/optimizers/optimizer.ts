import type { Json } from '../graph/layer.js';
import type { AttributeValues, OpDefinition, Target } from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import type { Schedule } from '../schedules/schedule.js';

/** How one parameter learns. */
export interface ParameterSettings {
  /** Multiplies the schedule's rate. */
  learningRateScale: number;
  /** L2 penalty: added to the gradient, times the parameter; `adamW` takes it off the parameter itself. */
  weightDecay: number;
  /** It stays as it is, and costs no memory for a gradient. */
  frozen: boolean;
  /** LARS and LAMB scale its step by a ratio of norms; false for biases and normalisation. */
  trustRatio: boolean;
}

/** Bounds the gradients: their common norm, or each number of them. */
export type Clip = { readonly norm: number } | { readonly value: number };

/**
 * Settings for the parameters whose full name (`conv1.b`) matches. `frozen` holds for running statistics
 * as well.
 */
export interface ParameterGroup extends Partial<ParameterSettings> {
  match: RegExp;
}

/** What an optimizer emits its update through: vectors over the slab of trainable parameters. */
export interface UpdateScope {
  readonly parameters: Tensor;
  readonly gradients: Tensor;
  /** int32 [count, 4]: first element, elements, bits of rateScale and weightDecay (float32). */
  readonly segments: Tensor;
  /** [2]: factor and bound of every gradient, where gradients are clipped. */
  readonly clip: Tensor | undefined;
  /** int32 [count]: 1 where a segment has a trust ratio. */
  trusted(): Tensor;
  slot(name: string): Tensor;
  emit(
    op: OpDefinition,
    attributes: AttributeValues,
    operands: Record<string, Tensor | Target | undefined>,
  ): void;
}

/** A rule by which parameters follow their gradients. Pure data: state lives in the trainer's slabs. */
export interface Optimizer {
  readonly kind: string;
  readonly learningRate: Schedule;
  /** Names of what it remembers for every parameter; each costs the memory of the parameters. */
  readonly slots: readonly string[];
  readonly groups: readonly ParameterGroup[];
  readonly clip: Clip | undefined;
  settingsOf(parameter: string): ParameterSettings;
  emit(scope: UpdateScope): void;
  toJSON(): { readonly [key: string]: Json | undefined };
}
