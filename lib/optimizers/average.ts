import { StriateError } from '../errors.js';
import { defineOp } from '../program/op.js';
import { requireShare } from './common.js';

/** averages = decay averages + (1 - decay) parameters; see native/ops/moving_average.h. */
export const movingAverage = defineOp({
  name: 'movingAverage',
  operands: [
    { name: 'parameters', role: 'in', element: 'compute' },
    { name: 'averages', role: 'out', element: 'compute' },
  ],
  attributes: { decay: 'float64' },
});

/** The slot that holds the averages. */
export const averageSlot = 'movingAverage';

/** An exponential moving average of the parameters, kept beside them. */
export interface AverageOptions {
  /** Share of the average that each step keeps: 0.999, for example. */
  decay: number;
}

/** @throws StriateError `INVALID_ARGUMENT` unless it is `{ decay }`, at least 0 and less than 1. */
export function checkAverage(given: unknown): void {
  const { decay, ...others } = Object(given) as Record<string, unknown>;
  if (typeof decay !== 'number' || Object.keys(others).length > 0)
    throw new StriateError('INVALID_ARGUMENT', `average is ${JSON.stringify(given)}`, {
      remedy: 'give { decay: 0.999 }, for example',
    });
  requireShare('average.decay', decay);
}
