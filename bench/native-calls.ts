import type { NativeDevice } from '../typings/native.js';

/**
 * Measures every call of the addon's objects from now on. The answer is filled while calls are made:
 * the longest time in milliseconds that each method held the calling thread.
 */
export function timeCalls(device: NativeDevice): Record<string, number> {
  const longest: Record<string, number> = {};
  const seen = new WeakSet();
  const wrap = (object: object): void => {
    const prototype = Object.getPrototypeOf(object) as Record<string, unknown>;
    if (seen.has(prototype)) return;
    seen.add(prototype);
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      const method: unknown = property.value;
      if (name === 'constructor' || typeof method !== 'function') continue;
      prototype[name] = function (this: unknown, ...args: unknown[]): unknown {
        const start = performance.now();
        const result: unknown = method.apply(this, args);
        longest[name] = Math.max(longest[name] ?? 0, performance.now() - start);
        // Buffers and executables are objects of the addon too.
        if (typeof result === 'object' && result !== null && /^(create|allocate)/.test(name)) {
          wrap(result);
        }
        return result;
      };
    }
  };
  wrap(device);
  return longest;
}
