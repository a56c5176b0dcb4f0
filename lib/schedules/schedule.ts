import { StriateError } from '../errors.js';
import type { Json } from '../graph/layer.js';

/** A stretch of training: steps, or epochs of the data set. */
export type Duration = number | { readonly epochs: number };

export interface ScheduleContext {
  /** Steps of one epoch; what `{ epochs }` is counted in. */
  readonly stepsPerEpoch: number;
}

/** The learning rate over time. Pure data: the rate follows from the number of the step alone. */
export interface Schedule {
  readonly kind: string;
  /** The rate of step `step`, counted from 0. */
  at(step: number, context: ScheduleContext): number;
  toJSON(): { readonly [key: string]: Json | undefined };
}

/** The same rate at every step. */
export function constant(rate: number): Schedule {
  requireRate('rate', rate);
  return { kind: 'constant', at: () => rate, toJSON: () => ({ kind: 'constant', rate }) };
}

/** A number is a constant schedule. */
export function toSchedule(rate: number | Schedule): Schedule {
  if (typeof rate === 'number') return constant(rate);
  if (typeof rate === 'object' && typeof rate?.at === 'function') return rate;
  throw new StriateError('INVALID_ARGUMENT', `learningRate is ${JSON.stringify(rate)}`, {
    remedy: 'learningRate is a number or a schedule, inv({ ... }) for example',
  });
}

/** A duration in steps. */
export function stepsOf(duration: Duration, { stepsPerEpoch }: ScheduleContext): number {
  return typeof duration === 'number' ? duration : duration.epochs * stepsPerEpoch;
}

export function requireRate(name: string, value: number): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return;
  throw new StriateError('INVALID_ARGUMENT', `${name} is ${String(value)}`, {
    remedy: `${name} is a finite number, not negative`,
  });
}

export function requireDuration(name: string, duration: Duration): void {
  const value: unknown = typeof duration === 'object' ? duration?.epochs : duration;
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return;
  throw new StriateError('INVALID_ARGUMENT', `${name} is ${JSON.stringify(duration)}`, {
    remedy: `${name} is a number of steps, or { epochs: n }; above 0`,
  });
}
