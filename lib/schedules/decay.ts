import { requireDuration, requireRate, stepsOf, type Duration, type Schedule } from './schedule.js';

/**
 * `from * gamma^floor(step / every)`: PyTorch's `StepLR`, Caffe's `step`.
 */
export function step(options: { from: number; every: Duration; gamma?: number }): Schedule {
  const { from, every, gamma = 0.1 } = options;
  requireRate('from', from);
  requireDuration('every', every);
  requireRate('gamma', gamma);
  return {
    kind: 'step',
    at: (s, context) => from * gamma ** Math.floor(s / stepsOf(every, context)),
    toJSON: () => ({ kind: 'step', from, every, gamma }),
  };
}

/**
 * `from * gamma^k`, where k of the moments in `at` have passed: PyTorch's `MultiStepLR`, Caffe's
 * `multistep`.
 */
export function multiStep(options: {
  from: number;
  at: readonly Duration[];
  gamma?: number;
}): Schedule {
  const { from, gamma = 0.1 } = options;
  const moments = [...options.at];
  requireRate('from', from);
  requireRate('gamma', gamma);
  for (const moment of moments) requireDuration('at', moment);
  return {
    kind: 'multiStep',
    at: (s, context) => from * gamma ** moments.filter((m) => s >= stepsOf(m, context)).length,
    toJSON: () => ({ kind: 'multiStep', from, at: moments, gamma }),
  };
}

/**
 * `from * gamma^(step / per)`: with `per: 1`, the default, Caffe's `exp`; PyTorch's `ExponentialLR`
 * agrees with `per: { epochs: 1 }` at the beginning of every epoch.
 */
export function exponential(options: { from: number; gamma: number; per?: Duration }): Schedule {
  const { from, gamma, per = 1 } = options;
  requireRate('from', from);
  requireRate('gamma', gamma);
  requireDuration('per', per);
  return {
    kind: 'exponential',
    at: (s, context) => from * gamma ** (s / stepsOf(per, context)),
    toJSON: () => ({ kind: 'exponential', from, gamma, per }),
  };
}

/**
 * `to + (from - to) * (1 - step / over)^power`, then `to`: PyTorch's `PolynomialLR` and Caffe's `poly`
 * with `to` at 0.
 */
export function polynomial(options: {
  from: number;
  over: Duration;
  power?: number;
  to?: number;
}): Schedule {
  const { from, over, power = 1, to = 0 } = options;
  requireRate('from', from);
  requireRate('to', to);
  requireRate('power', power);
  requireDuration('over', over);
  return {
    kind: 'polynomial',
    at: (s, context) => {
      const done = Math.min(1, s / stepsOf(over, context));
      return done === 1 ? to : to + (from - to) * (1 - done) ** power;
    },
    toJSON: () => ({ kind: 'polynomial', from, over, power, to }),
  };
}

/** `from * (1 + gamma * step)^-power`: Caffe's `inv`. */
export function inv(options: { from: number; gamma: number; power: number }): Schedule {
  const { from, gamma, power } = options;
  requireRate('from', from);
  requireRate('gamma', gamma);
  requireRate('power', power);
  return {
    kind: 'inv',
    at: (s) => from * (1 + gamma * s) ** -power,
    toJSON: () => ({ kind: 'inv', from, gamma, power }),
  };
}

/**
 * Half a cosine from `from` down to `to`, then `to`: the closed form of PyTorch's `CosineAnnealingLR`
 * (Loshchilov and Hutter, arXiv:1608.03983, without restarts).
 */
export function cosine(options: { from: number; over: Duration; to?: number }): Schedule {
  const { from, over, to = 0 } = options;
  requireRate('from', from);
  requireRate('to', to);
  requireDuration('over', over);
  return {
    kind: 'cosine',
    at: (s, context) => {
      const done = Math.min(1, s / stepsOf(over, context));
      return to + ((from - to) * (1 + Math.cos(Math.PI * done))) / 2;
    },
    toJSON: () => ({ kind: 'cosine', from, over, to }),
  };
}
