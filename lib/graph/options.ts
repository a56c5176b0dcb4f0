import { StriateError } from '../errors.js';
import { readInitializer, type Initializer } from '../initializers/index.js';
import { nearest } from './nearest.js';
import { toPair, toSides, type Fit, type Pair, type Sides } from './shape.js';

/** How one option is read: from whatever a user or a file gave to its full form. */
export interface OptionRule<T> {
  /** Set when the option may be left out. */
  readonly fallback?: { readonly value: T };
  /** `where` names layer and option in errors: `conv2d: size`. */
  read(value: unknown, where: string): T;
}

export type OptionRules<Options> = { readonly [K in keyof Options]-?: OptionRule<Options[K]> };

/**
 * Reads options by their rules. The full form is accepted again, so that it can stand in JSON.
 *
 * @throws StriateError INVALID_ARGUMENT naming the option; for an unknown one the nearest that exists.
 */
export function readOptions<Options extends object>(
  kind: string,
  rules: OptionRules<Options>,
  given: unknown,
  alsoAllowed: readonly string[] = [],
): Options {
  const known = Object.keys(rules);
  checkNames(kind, [...known, ...alsoAllowed], given);
  const entries = known.map((key): [string, unknown] => {
    const rule = rules[key as keyof Options];
    const value = Object.hasOwn(given, key) ? (given as Record<string, unknown>)[key] : undefined;
    if (value !== undefined) return [key, rule.read(value, `${kind}: ${key}`)];
    if (rule.fallback === undefined)
      throw invalid(`${kind} needs the option '${key}'`, `Give ${key}.`);
    return [key, rule.fallback.value];
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Options;
}

/**
 * Asserts an object with no other options than these.
 *
 * @throws StriateError INVALID_ARGUMENT naming the nearest option that exists.
 */
export function checkNames(
  kind: string,
  known: readonly string[],
  given: unknown,
): asserts given is object {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw invalid(
      `${kind} takes an object of options, not ${describe(given)}`,
      `Write ${kind}({ ... }).`,
    );
  }
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    throw invalid(
      `${kind} has no option '${key}'`,
      near === undefined ? `Its options: ${known.join(', ')}.` : `Did you mean '${near}'?`,
    );
  }
}

/** May be left out: then `value` stands for it. */
export function optional<T>(rule: OptionRule<T>, value: T): OptionRule<T> {
  return { ...rule, fallback: { value } };
}

/** May be left out: then it is not there. */
export function maybe<T>(rule: OptionRule<T>): OptionRule<T | undefined> {
  return { ...rule, fallback: { value: undefined } };
}

export const positive: OptionRule<number> = {
  read: (value, where) => wholeNumber(value, where, 1),
};

/** `n` or `[h, w]`, read as `[h, w]`. */
export const pair: OptionRule<readonly [number, number]> = {
  read(value, where) {
    const [h, w] = pairOf(value, where, 1);
    return [h, w];
  },
};

/** The same with zero allowed. */
export const natural: OptionRule<readonly [number, number]> = {
  read(value, where) {
    const [h, w] = pairOf(value, where, 0);
    return [h, w];
  },
};

export const padding: OptionRule<Sides | 'same'> = {
  read(value, where) {
    if (value === 'same' || value === 'valid') return toSides(value);
    if (typeof value === 'string') {
      throw invalid(
        `${where} is '${value}'`,
        `Give a number, [h, w], {top, right, bottom, left}, 'same' or 'valid'.`,
      );
    }
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      const side = optional({ read: (v: unknown, at: string) => wholeNumber(v, at, 0) }, 0);
      return toSides(
        readOptions<Sides>(where, { top: side, right: side, bottom: side, left: side }, value),
      );
    }
    return toSides(pairOf(value, where, 0));
  },
};

export const flag: OptionRule<boolean> = {
  read(value, where) {
    if (typeof value !== 'boolean')
      throw invalid(`${where} is ${describe(value)}`, 'Give true or false.');
    return value;
  },
};

export const fit: OptionRule<Fit> = {
  read(value, where) {
    if (value === 'exact' || value === 'crop' || value === 'pad') return value;
    throw invalid(`${where} is ${describe(value)}`, `Give 'exact', 'crop' or 'pad'.`);
  },
};

/** One of a few words. */
export function oneOf<T extends string>(words: readonly T[]): OptionRule<T> {
  return {
    read(value, where) {
      const found = words.find((word) => word === value);
      if (found !== undefined) return found;
      const list = words.map((word) => `'${word}'`).join(', ');
      throw invalid(`${where} is ${describe(value)}`, `Give one of ${list}.`);
    },
  };
}

export const initializer: OptionRule<Initializer> = { read: readInitializer };

/** A finite number for which `holds` is true; `range` says in words what holds. */
export function real(
  range = 'a finite number',
  holds: (v: number) => boolean = () => true,
): OptionRule<number> {
  return {
    read(value, where) {
      if (typeof value !== 'number' || !Number.isFinite(value) || !holds(value)) {
        throw invalid(`${where} is ${describe(value)}`, `Give ${range}.`);
      }
      return value;
    },
  };
}

/** Extents without the batch. */
export const extents: OptionRule<readonly number[]> = {
  read(value, where) {
    if (!Array.isArray(value) || value.length > 3) {
      throw invalid(
        `${where} is ${describe(value)}`,
        'Give up to three extents, without the batch.',
      );
    }
    return value.map((extent) => wholeNumber(extent, where, 1));
  },
};

function pairOf(value: unknown, where: string, least: number): [number, number] {
  if (typeof value === 'number') return toPair(wholeNumber(value, where, least));
  if (!Array.isArray(value) || value.length !== 2) {
    throw invalid(`${where} is ${describe(value)}`, 'Give a number or [h, w].');
  }
  return toPair([
    wholeNumber(value[0], where, least),
    wholeNumber(value[1], where, least),
  ] satisfies Pair);
}

function wholeNumber(value: unknown, where: string, least: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value < 2 ** 31)
    return value;
  throw invalid(`${where} is ${describe(value)}`, `Give a whole number, ${least} or more.`);
}

/** A value in an error: short, whatever it is. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value).slice(0, 40);
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
  return String(value);
}

export function invalid(message: string, remedy: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', message, { remedy });
}
