import { StriateError } from '../errors.js';
import { nearest } from '../graph/nearest.js';
import { constantRule } from './constant.js';
import { gaussianRule } from './gaussian.js';
import { glorotNormalRule, glorotUniformRule } from './glorot.js';
import { heNormalRule, heUniformRule } from './he.js';
import type { Fans, Initializer, InitializerKind, InitializerRule } from './initializer.js';
import { Stream } from './philox.js';
import { uniformRule } from './uniform.js';
import { xavierRule } from './xavier.js';

export { constant } from './constant.js';
export { gaussian } from './gaussian.js';
export { glorotNormal, glorotUniform } from './glorot.js';
export { heNormal, heUniform } from './he.js';
export { uniform } from './uniform.js';
export { xavier } from './xavier.js';
export type { Initializer } from './initializer.js';

const rules: Readonly<Record<InitializerKind, InitializerRule>> = {
  constant: constantRule,
  gaussian: gaussianRule,
  uniform: uniformRule,
  glorotUniform: glorotUniformRule,
  glorotNormal: glorotNormalRule,
  heUniform: heUniformRule,
  heNormal: heNormalRule,
  xavier: xavierRule,
};

/** What initialisation needs of a parameter. */
export interface ParameterInit extends Fans {
  readonly shape: readonly number[];
  readonly init: Initializer;
}

/**
 * The starting values of one parameter, drawn on the host by Philox with the key (seed, name): they
 * depend on nothing else, so that a network keeps its start when layers around it change.
 *
 * @param name the parameter's full name, `conv1.w`
 */
export function initialize(
  parameter: ParameterInit,
  seed: number | bigint,
  name: string,
  dtype: 'float64',
): Float64Array;
export function initialize(
  parameter: ParameterInit,
  seed: number | bigint,
  name: string,
  dtype?: 'float32',
): Float32Array;
export function initialize(
  parameter: ParameterInit,
  seed: number | bigint,
  name: string,
  dtype?: 'float32' | 'float64',
): Float32Array | Float64Array;
export function initialize(
  parameter: ParameterInit,
  seed: number | bigint,
  name: string,
  dtype: 'float32' | 'float64' = 'float32',
): Float32Array | Float64Array {
  const { kind, ...numbers } = parameter.init;
  const length = parameter.shape.reduce((product, extent) => product * extent, 1);
  const values = dtype === 'float64' ? new Float64Array(length) : new Float32Array(length);
  const next = rules[kind].sampler(numbers, parameter, new Stream(seed, name));
  for (let i = 0; i < length; i++) values[i] = next();
  return values;
}

/**
 * Checks an initializer that a user or a file gave.
 *
 * @throws StriateError INVALID_ARGUMENT
 */
export function readInitializer(value: unknown, where: string): Initializer {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalid(
      `${where} is not an initializer`,
      'Use one of the functions, such as heNormal().',
    );
  }
  const { kind, ...numbers } = value as Record<string, unknown>;
  if (typeof kind !== 'string' || !Object.hasOwn(rules, kind)) {
    const near = typeof kind === 'string' ? nearest(kind, Object.keys(rules)) : undefined;
    throw invalid(
      `${where} has no known kind`,
      near === undefined ? `Kinds: ${Object.keys(rules).join(', ')}.` : `Did you mean '${near}'?`,
    );
  }
  const { numbers: defaults } = rules[kind as InitializerKind];
  for (const [key, number] of Object.entries(numbers)) {
    if (!Object.hasOwn(defaults, key) || typeof number !== 'number' || !Number.isFinite(number)) {
      throw invalid(
        `${where}: ${kind} has an unusable '${key}'`,
        `Its numbers: ${Object.keys(defaults).join(', ') || 'none'}.`,
      );
    }
  }
  return { kind, ...defaults, ...numbers } as Initializer;
}

function invalid(message: string, remedy: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', message, { remedy });
}
