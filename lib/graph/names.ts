import { StriateError } from '../errors.js';

const scopes: string[] = [];

/**
 * Names the layers that `body` makes within a scope: `stage1/conv1`. Scopes nest. `body` runs at once
 * and gives its result back.
 *
 * @throws StriateError INVALID_ARGUMENT for a name that is not letters, digits, `_` and `-`.
 */
export function scope<T>(name: string, body: () => T): T {
  checkName(name);
  scopes.push(name);
  try {
    return body();
  } finally {
    scopes.pop();
  }
}

/** Runs `body` as if outside of all scopes. */
export function withoutScope<T>(body: () => T): T {
  const around = scopes.splice(0);
  try {
    return body();
  } finally {
    scopes.splice(0, scopes.length, ...around);
  }
}

/** The scopes around the running code, joined by `/`. */
export function currentScope(): string {
  return scopes.join('/');
}

export function inScope(scopeName: string, name: string): string {
  return scopeName === '' ? name : `${scopeName}/${name}`;
}

const part = '[A-Za-z0-9][A-Za-z0-9_-]*';
const pattern = new RegExp(`^${part}(/${part})*$`);

/** Parameters are called `<layer>.<w|b|...>`, so a layer's name holds no dot. */
export function checkName(name: unknown): asserts name is string {
  if (typeof name === 'string' && name.length <= 200 && pattern.test(name)) return;
  const shown = typeof name === 'string' ? `'${name.slice(0, 60)}'` : typeof name;
  throw new StriateError('INVALID_ARGUMENT', `a layer cannot be named ${shown}`, {
    remedy: "Use letters, digits, '_' and '-', with '/' between scopes.",
  });
}
