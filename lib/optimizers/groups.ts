import { StriateError } from '../errors.js';
import type { Json } from '../graph/layer.js';
import { checkNames } from '../graph/options.js';
import type { ParameterGroup, ParameterSettings } from './optimizer.js';

const settingNames = ['learningRateScale', 'weightDecay', 'frozen', 'trustRatio'];

/** The first group that matches decides, setting by setting; what it leaves open is the default. */
export function settingsOf(
  groups: readonly ParameterGroup[],
  parameter: string,
  defaults: ParameterSettings,
): ParameterSettings {
  // A pattern with the flag g or y would remember where it stopped: search() does not.
  const group = groups.find((g) => parameter.search(g.match) >= 0);
  return {
    learningRateScale: group?.learningRateScale ?? defaults.learningRateScale,
    weightDecay: group?.weightDecay ?? defaults.weightDecay,
    frozen: group?.frozen ?? defaults.frozen,
    trustRatio: group?.trustRatio ?? defaults.trustRatio,
  };
}

/** Asserts that the groups are well formed. */
export function checkGroups(groups: readonly ParameterGroup[]): readonly ParameterGroup[] {
  return groups.map((group) => {
    checkNames('a parameter group', ['match', ...settingNames], group);
    if (!(group.match instanceof RegExp))
      throw new StriateError('INVALID_ARGUMENT', 'a parameter group needs `match`, a RegExp', {
        remedy: 'for example { match: /\\.b$/, learningRateScale: 2 }',
      });
    requireNumber('learningRateScale', group.learningRateScale, (v) => v >= 0);
    requireNumber('weightDecay', group.weightDecay, (v) => v >= 0);
    requireSwitch('frozen', group.frozen);
    requireSwitch('trustRatio', group.trustRatio);
    return { ...group };
  });
}

export function requireNumber(
  name: string,
  value: number | undefined,
  holds: (v: number) => boolean,
  rule = 'a finite number, not negative',
): void {
  if (value === undefined || (Number.isFinite(value) && holds(value))) return;
  throw new StriateError('INVALID_ARGUMENT', `${name} is ${value}`, {
    remedy: `${name} is ${rule}`,
  });
}

export function requireSwitch(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new StriateError('INVALID_ARGUMENT', `${name} is ${JSON.stringify(value)}`, {
    remedy: `${name} is true or false`,
  });
}

export function groupsToJSON(groups: readonly ParameterGroup[]): Json {
  return groups.map(({ match, ...settings }) => ({
    match: { source: match.source, flags: match.flags },
    ...settings,
  }));
}

export function groupsFromJSON(json: unknown): ParameterGroup[] {
  if (!Array.isArray(json)) throw badGroups();
  return json.map((entry: unknown) => {
    const { match, ...settings } = (entry ?? {}) as Record<string, unknown>;
    const { source, flags } = (match ?? {}) as Record<string, unknown>;
    if (typeof source !== 'string' || typeof flags !== 'string') throw badGroups();
    return { ...settings, match: pattern(source, flags) };
  });
}

function pattern(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (cause) {
    throw badGroups(cause);
  }
}

function badGroups(cause?: unknown): StriateError {
  return new StriateError('INVALID_FORMAT', 'the optimizer has malformed parameter groups', {
    remedy: 'use what toJSON() of an optimizer wrote',
    ...(cause === undefined ? {} : { cause }),
  });
}
