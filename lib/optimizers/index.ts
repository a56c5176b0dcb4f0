import { StriateError } from '../errors.js';
import { scheduleFromJSON } from '../schedules/index.js';
import { adadelta } from './adadelta.js';
import { adagrad } from './adagrad.js';
import { adam, adamW } from './adam.js';
import './average.js';
import { groupsFromJSON } from './groups.js';
import { lamb } from './lamb.js';
import { lars } from './lars.js';
import type { Optimizer } from './optimizer.js';
import { rmsProp } from './rms-prop.js';
import { sgd } from './sgd.js';

export { adadelta, type AdadeltaOptions } from './adadelta.js';
export { adagrad, type AdagradOptions } from './adagrad.js';
export { adam, adamW, type AdamOptions } from './adam.js';
export type { AverageOptions } from './average.js';
export type { CommonOptions as OptimizerOptions } from './common.js';
export { lamb, type LambOptions } from './lamb.js';
export { lars, type LarsOptions } from './lars.js';
export type {
  Clip,
  Optimizer,
  ParameterGroup,
  ParameterSettings,
  UpdateScope,
} from './optimizer.js';
export { rmsProp, type RmsPropOptions } from './rms-prop.js';
export { sgd, type SgdOptions } from './sgd.js';

const factories = new Map<unknown, (options: object) => Optimizer>(
  Object.entries({ adadelta, adagrad, adam, adamW, lamb, lars, rmsProp, sgd }),
);

/**
 * The optimizer that `toJSON()` wrote.
 *
 * @throws StriateError `INVALID_FORMAT` for an unknown kind or malformed fields.
 */
export function optimizerFromJSON(json: unknown): Optimizer {
  const { kind, ...fields } = Object(json) as Record<string, unknown>;
  const factory = factories.get(kind);
  if (factory === undefined)
    throw new StriateError('INVALID_FORMAT', `there is no optimizer ${JSON.stringify(kind)}`, {
      remedy: `known are: ${[...factories.keys()].join(', ')}`,
    });
  const learningRate = scheduleFromJSON(fields.learningRate);
  const groups = groupsFromJSON(fields.groups ?? []);
  try {
    return factory({ ...fields, learningRate, groups });
  } catch (cause) {
    throw new StriateError('INVALID_FORMAT', `the optimizer: ${(cause as Error).message}`, {
      remedy: 'use what toJSON() of an optimizer wrote',
      cause,
    });
  }
}
