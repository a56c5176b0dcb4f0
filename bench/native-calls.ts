import type { NativeDevice } from '../typings/native.js';

/** The longest time in milliseconds that each method held the calling thread. */
export type LongestCalls = Record<string, number>;

/**
 * The same device, whose calls, and those of the executables that it makes, are measured into
 * `longest`. Buffers are handed out as they are: the addon takes back its own objects only.
 */
export function timeCalls(device: NativeDevice, longest: LongestCalls): NativeDevice {
  const measured = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(_, name) {
        const property: unknown = Reflect.get(target, name, target);
        if (typeof property !== 'function') return property;
        return (...args: unknown[]): unknown => {
          const start = performance.now();
          const result: unknown = property.apply(target, args);
          const key = String(name);
          longest[key] = Math.max(longest[key] ?? 0, performance.now() - start);
          return key === 'createExecutable' ? measured(result as object) : result;
        };
      },
    });
  return measured(device);
}
