import { readFileSync } from 'node:fs';
import type { NativeDevice } from '../typings/native.js';

/** The longest call of each method, in milliseconds. */
export type LongestCalls = Record<
  string,
  {
    /** From beginning to end, by the clock. */
    elapsed: number;
    /** Of the calling thread: without what it waited for a core that other threads had. */
    held: number;
  }
>;

/** Milliseconds that this thread was ready to run and had no core; Linux counts them. */
function waited(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

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
          const before = waited();
          const start = performance.now();
          const result: unknown = property.apply(target, args);
          const elapsed = performance.now() - start;
          const held = Math.max(0, elapsed - (waited() - before));
          const key = String(name);
          const most = (longest[key] ??= { elapsed: 0, held: 0 });
          most.elapsed = Math.max(most.elapsed, elapsed);
          most.held = Math.max(most.held, held);
          return key === 'createExecutable' ? measured(result as object) : result;
        };
      },
    });
  return measured(device);
}
