import type { Step } from './tape.js';
import type { Storage, Tensor } from './tensor.js';

/**
 * Drops what nobody reads: steps whose outputs are not used, and optional outputs of the others
 * (switches of a pooling that needs no gradient). What changes a slab stays.
 */
export function prune(steps: readonly Step[], kept: readonly { tensor: Tensor }[]): Step[] {
  const read = new Set<Storage>(kept.map((k) => k.tensor.storage));
  const wanted: Step[] = [];
  for (const step of steps.toReversed()) {
    const operands = [...step.operands];
    const outputs = operands.filter(([, o]) => o.access !== 'read');
    const isUsed = (t: Tensor): boolean => t.storage.region !== undefined || read.has(t.storage);
    const acts = outputs.length === 0 || outputs.some(([, o]) => isUsed(o.tensor));
    if (!acts) continue;
    for (const [name, { tensor }] of outputs) {
      const optional = step.op.operands.find((o) => o.name === name)?.optional;
      if (optional && tensor.storage.category !== 'workspace' && !isUsed(tensor))
        step.operands.delete(name);
    }
    for (const [, { tensor, access }] of operands)
      if (access !== 'overwrite') read.add(tensor.storage);
    wanted.push(step);
  }
  return wanted.reverse();
}
