import type { Step } from './tape.js';
import type { Storage, Tensor } from './tensor.js';

/** First and last instruction that touch a storage. */
export interface Lifetime {
  first: number;
  last: number;
}

/**
 * When each storage is in use. What is read after the run lives until instruction `keepUntil` at
 * least; slabs, constants and inputs live all the time.
 */
export function lifetimesOf(
  steps: readonly Step[],
  kept: readonly { tensor: Tensor }[],
  keepUntil: number,
): Map<Storage, Lifetime> {
  const lifetimes = new Map<Storage, Lifetime>();
  const end = Math.max(0, steps.length - 1);
  const touch = (storage: Storage, instruction: number): void => {
    if (storage.region !== undefined) {
      lifetimes.set(storage, { first: 0, last: end });
      return;
    }
    const known = lifetimes.get(storage);
    if (known === undefined) lifetimes.set(storage, { first: instruction, last: instruction });
    else known.last = Math.max(known.last, instruction);
  };
  steps.forEach((step, i) => {
    for (const { tensor } of step.operands.values()) touch(tensor.storage, i);
  });
  for (const { tensor } of kept) touch(tensor.storage, keepUntil);
  return lifetimes;
}
