const key = Symbol.for('striate.skipped');
const registry = globalThis as unknown as Record<symbol, Map<string, string> | undefined>;

/**
 * Skips the test that calls it (or, in a `before` hook, its whole group) and records what would enable
 * it, for the closing lines of `npm test`.
 *
 * @param context Mocha's `this`.
 * @param remedy What to install or set: `package torch (pip install torch)`.
 */
export function skipGroup(context: Mocha.Context, remedy: string): never {
  const groups = (registry[key] ??= new Map<string, string>());
  const group = context.currentTest?.parent ?? context.test?.parent;
  if (group) groups.set(group.fullTitle(), remedy);
  return context.skip();
}
