import { StriateError } from '../errors.js';
import { scheduleFromJSON } from '../schedules/index.js';
import { groupsFromJSON } from './groups.js';
import type { Optimizer } from './optimizer.js';
import { sgd } from './sgd.js';

export type { Optimizer, ParameterGroup, ParameterSettings, UpdateScope } from './optimizer.js';
export { sgd, type SgdOptions } from './sgd.js';

/**
 * The optimizer that `toJSON()` wrote.
 *
 * @throws StriateError `INVALID_FORMAT` for an unknown kind or malformed fields.
 */
export function optimizerFromJSON(json: unknown): Optimizer {
  const fields = (json ?? {}) as Record<string, unknown>;
  const known = readers.get(fields.kind);
  if (known === undefined)
    throw new StriateError(
      'INVALID_FORMAT',
      `there is no optimizer ${JSON.stringify(fields.kind)}`,
      {
        remedy: `known are: ${[...readers.keys()].join(', ')}`,
      },
    );
  return known(fields);
}

const readers = new Map<unknown, (fields: Record<string, unknown>) => Optimizer>([
  [
    'sgd',
    (fields) =>
      sgd({
        learningRate: scheduleFromJSON(fields.learningRate),
        momentum: numberOf(fields, 'momentum'),
        nesterov: fields.nesterov === true,
        weightDecay: numberOf(fields, 'weightDecay'),
        groups: groupsFromJSON(fields.groups ?? []),
      }),
  ],
]);

function numberOf(fields: Record<string, unknown>, name: string): number {
  const value = fields[name] ?? 0;
  if (typeof value !== 'number')
    throw new StriateError('INVALID_FORMAT', `the optimizer's ${name} is not a number`, {
      remedy: 'use what toJSON() of an optimizer wrote',
    });
  return value;
}
