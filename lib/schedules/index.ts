import { StriateError } from '../errors.js';
import { cosine, exponential, inv, multiStep, polynomial, step } from './decay.js';
import { constant, type Schedule } from './schedule.js';
import { warmup } from './warmup.js';

export { cosine, exponential, inv, multiStep, polynomial, step } from './decay.js';
export {
  constant,
  toSchedule,
  type Duration,
  type Schedule,
  type ScheduleContext,
} from './schedule.js';
export { warmup } from './warmup.js';

type Fields = Record<string, unknown>;

const readers = new Map<unknown, (fields: Fields) => Schedule>([
  ['constant', (f) => constant(f.rate as number)],
  ['step', (f) => step(f as never)],
  ['multiStep', (f) => multiStep({ ...f, at: Array.isArray(f.at) ? f.at : [f.at] } as never)],
  ['exponential', (f) => exponential(f as never)],
  ['polynomial', (f) => polynomial(f as never)],
  ['inv', (f) => inv(f as never)],
  ['cosine', (f) => cosine(f as never)],
  ['warmup', (f) => warmup(scheduleFromJSON(f.of), f as never)],
]);

/**
 * The schedule that `toJSON()` wrote; a plain number is a constant. The fields are checked by the
 * schedules themselves.
 *
 * @throws StriateError `INVALID_FORMAT` for an unknown kind, `INVALID_ARGUMENT` for bad numbers.
 */
export function scheduleFromJSON(json: unknown): Schedule {
  if (typeof json === 'number') return constant(json);
  const fields = (json ?? {}) as Fields;
  const known = readers.get(fields.kind);
  if (known === undefined)
    throw new StriateError(
      'INVALID_FORMAT',
      `there is no schedule ${JSON.stringify(fields.kind)}`,
      {
        remedy: `known are: ${[...readers.keys()].join(', ')}`,
      },
    );
  return known(fields);
}
