import type { RebuildGraph } from './recompute-graph.js';
import type { Instance, Schedule } from './recompute-schedule.js';

export interface Estimate {
  /** The most bytes alive at one time. */
  peak: number;
  /** What the steps that run again cost: those that are not light, and all. */
  heavy: number;
  cost: number;
  /** Bytes alive at each step of the schedule. */
  readonly alive: Float64Array;
  /** Where each step of the program stands in the schedule. */
  readonly places: Int32Array;
}

/** Blocks of memory by the positions of the first and last step that touch them. */
class Blocks {
  readonly bytes: number[] = [];
  readonly first: number[] = [];
  readonly last: number[] = [];

  add(bytes: number): number {
    this.bytes.push(bytes);
    this.first.push(-1);
    this.last.push(-1);
    return this.bytes.length - 1;
  }

  touch(block: number, at: number): void {
    if (this.first[block]! < 0) this.first[block] = at;
    this.last[block] = at;
  }

  /** Bytes alive at each position. */
  alive(end: number): Float64Array {
    const change = new Float64Array(end + 2);
    for (let i = 0; i < this.bytes.length; i++) {
      if (this.first[i]! < 0) continue;
      change[this.first[i]!]! += this.bytes[i]!;
      change[this.last[i]! + 1]! -= this.bytes[i]!;
    }
    for (let i = 1; i < change.length; i++) change[i]! += change[i - 1]!;
    return change.subarray(0, end);
  }
}

/**
 * The peak of the arena under a schedule, without building the program: a lower bound of live bytes in
 * which what can run in place does, and a concatenation and its parts are one.
 */
export function estimate(graph: RebuildGraph, made: Schedule): Estimate {
  const { nodes, values, forward, fixed } = graph;
  const blocks = new Blocks();
  const fixedBlocks = fixed.map((bytes) => blocks.add(bytes));
  // A part of a concatenation lies in the whole.
  const own = new Array<number>(values.length).fill(-1);
  const originalOf = (v: number): number => {
    if (own[v]! >= 0) return own[v]!;
    const { within, bytes } = values[v]!;
    return (own[v] = within >= 0 ? originalOf(within) : blocks.add(bytes));
  };
  const instances = new Map<Instance, number>();
  const shares: { out: number; given: number; at: number }[] = [];
  let at = 0;
  const visit = (
    node: number,
    blockOf: (value: number) => number,
    again: ReadonlyMap<number, Instance> | undefined,
  ): void => {
    const { reads, inputs, writes, fixed: others, inPlace, workspace } = nodes[node]!;
    for (const v of again === undefined ? reads : inputs) blocks.touch(blockOf(v), at);
    for (const v of again === undefined ? writes : again.keys()) blocks.touch(blockOf(v), at);
    if (again === undefined) for (const f of others) blocks.touch(fixedBlocks[f]!, at);
    else if (workspace > 0) blocks.touch(blocks.add(workspace), at);
    for (const [out, given] of inPlace) {
      if (again !== undefined && (out < 0 || given < 0 || !again.has(out))) continue;
      const block = (n: number): number => (n < 0 ? fixedBlocks[-1 - n]! : blockOf(n));
      shares.push({ out: block(out), given: block(given), at });
    }
    at++;
  };
  const places = new Int32Array(nodes.length);
  for (let i = 0; i < forward; i++) {
    places[i] = at;
    visit(i, originalOf, undefined);
  }
  let heavy = 0;
  let cost = 0;
  let next = 0;
  for (let i = forward; i < nodes.length; i++) {
    const batch: (typeof made.agains)[number][] = [];
    while (next < made.agains.length && made.agains[next]!.before === i)
      batch.push(made.agains[next++]!);
    addInstances(graph, blocks, instances, batch);
    for (const { node, reads, writes } of batch) {
      const blockOf = (v: number): number => {
        const instance = writes.get(v) ?? reads.get(v);
        return instance === undefined ? originalOf(v) : instances.get(instance)!;
      };
      visit(node, blockOf, writes);
      const { cost: own, light } = nodes[node]!;
      cost += own;
      if (!light) heavy += own;
    }
    const here = made.reads.get(i);
    places[i] = at;
    visit(
      i,
      (v) => {
        const instance = here?.get(v);
        return instance === undefined ? originalOf(v) : instances.get(instance)!;
      },
      undefined,
    );
  }
  for (const { out, given, at: when } of shares)
    if (out !== given && blocks.first[out] === when && blocks.last[given] === when)
      if (blocks.first[given]! < when) blocks.last[given] = when - 1;
  const alive = blocks.alive(at);
  return { peak: alive.reduce((a, b) => (b > a ? b : a), 0), heavy, cost, alive, places };
}

/** Memory for what a batch of steps makes; parts of a concatenation that is made with them lie in it. */
function addInstances(
  { values }: RebuildGraph,
  blocks: Blocks,
  instances: Map<Instance, number>,
  batch: readonly { writes: ReadonlyMap<number, Instance> }[],
): void {
  const made = new Map<number, Instance>();
  for (const { writes } of batch) for (const [v, instance] of writes) made.set(v, instance);
  const blockOf = (v: number): number => {
    const instance = made.get(v)!;
    const known = instances.get(instance);
    if (known !== undefined) return known;
    const { within, bytes } = values[v]!;
    const block = made.has(within) ? blockOf(within) : blocks.add(bytes);
    instances.set(instance, block);
    return block;
  };
  for (const v of made.keys()) blockOf(v);
}
