import type { RebuildGraph, Value } from './recompute-graph.js';

/** A value as it was made again: each has memory of its own. */
export interface Instance {
  readonly value: number;
}

/** A step of the forward pass that runs again, before the step `before`. */
export interface Again {
  readonly node: number;
  readonly before: number;
  /** Which instance stands for each dropped value that it reads. */
  readonly reads: ReadonlyMap<number, Instance>;
  readonly writes: ReadonlyMap<number, Instance>;
}

export interface Schedule {
  readonly agains: readonly Again[];
  /** By step after the forward pass: which instance stands for each dropped value that it reads. */
  readonly reads: ReadonlyMap<number, ReadonlyMap<number, Instance>>;
}

/** Steps within which a value that was made for another's sake is held for its own reader. */
const near = 12;

/**
 * When dropped values are made again: just before the first step that reads them, and with them all that
 * this takes. What will be read later is held until then; not so `passing` values, which are cheap to make
 * once more from what is held.
 */
export function schedule(
  { nodes, values, forward }: RebuildGraph,
  kept: Uint8Array,
  passing: Uint8Array,
): Schedule {
  const agains: Again[] = [];
  const reads = new Map<number, Map<number, Instance>>();
  const live = new Array<Instance | undefined>(values.length).fill(undefined);
  for (let i = forward; i < nodes.length; i++) {
    const needed = nodes[i]!.reads.filter((v) => kept[v] === 0);
    if (needed.length === 0) continue;
    const missing = needed.filter((v) => live[v] === undefined);
    if (missing.length > 0) {
      const made = new Map<number, Instance>();
      const instanceOf = (v: number): Instance | undefined => made.get(v) ?? live[v];
      const wanted = closure(
        { nodes, values },
        missing,
        (v) => kept[v] === 1 || live[v] !== undefined,
      );
      const held = (v: number): boolean => nextRead(values[v]!, i) !== undefined;
      const steps = [...new Set([...wanted].map((v) => values[v]!.producer))].sort((a, b) => a - b);
      for (const node of steps) {
        const { inputs, writes } = nodes[node]!;
        const from = new Map<number, Instance>();
        for (const v of inputs) {
          const instance = kept[v] === 1 ? undefined : instanceOf(v);
          if (instance !== undefined) from.set(v, instance);
        }
        const to = new Map<number, Instance>();
        for (const v of writes) {
          const { optional } = values[v]!;
          if (wanted.has(v) || !optional || (held(v) && kept[v] === 0 && live[v] === undefined))
            to.set(v, { value: v });
        }
        for (const [v, instance] of to) made.set(v, instance);
        agains.push({ node, before: i, reads: from, writes: to });
      }
      for (const [v, instance] of made) {
        if (kept[v] === 1 || live[v] !== undefined) continue;
        const next = nextRead(values[v]!, i);
        if (next === undefined) continue;
        if (next === i || passing[v] === 0 || next - i <= near) live[v] = instance;
      }
    }
    const here = new Map<number, Instance>();
    for (const v of needed) {
      here.set(v, live[v]!);
      if (values[v]!.lateReads.at(-1) === i) live[v] = undefined;
    }
    reads.set(i, here);
  }
  return { agains, reads };
}

/** The first step from `from` on that reads the value. */
function nextRead({ lateReads }: Value, from: number): number | undefined {
  return lateReads.find((step) => step >= from);
}

/** Values that must be made again so that those of `start` can be. */
export function closure(
  { nodes, values }: Pick<RebuildGraph, 'nodes' | 'values'>,
  start: readonly number[],
  isThere: (value: number) => boolean,
): Set<number> {
  const wanted = new Set<number>();
  const stack = [...start];
  for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
    if (wanted.has(v)) continue;
    wanted.add(v);
    for (const input of nodes[values[v]!.producer]!.inputs)
      if (!wanted.has(input) && !isThere(input)) stack.push(input);
  }
  return wanted;
}
