import {
  requireDuration,
  requireRate,
  stepsOf,
  toSchedule,
  type Duration,
  type Schedule,
} from './schedule.js';

/**
 * Another schedule times a factor that rises linearly from `factor` to 1 within `over`: PyTorch's
 * `LinearLR` chained with that schedule. Its clock runs from the first step (Goyal et al.,
 * arXiv:1706.02677).
 */
export function warmup(
  of: number | Schedule,
  options: { over: Duration; factor?: number },
): Schedule {
  const schedule = toSchedule(of);
  const { over, factor = 0 } = options;
  requireDuration('over', over);
  requireRate('factor', factor);
  return {
    kind: 'warmup',
    at: (step, context) => {
      const done = Math.min(1, step / stepsOf(over, context));
      return schedule.at(step, context) * (factor + (1 - factor) * done);
    },
    toJSON: () => ({ kind: 'warmup', of: schedule.toJSON(), over, factor }),
  };
}
