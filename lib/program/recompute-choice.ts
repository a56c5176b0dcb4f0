import { FlowNetwork } from './min-cut.js';
import { estimate, type Estimate } from './recompute-peak.js';
import type { RebuildGraph } from './recompute-graph.js';
import { closure, schedule, type Schedule } from './recompute-schedule.js';

/** Which values are kept from the forward pass, 1 or 0 by number, and what follows from it. */
export interface Choice extends Estimate {
  readonly kept: Uint8Array;
}

/** Tries choices for one program. */
export class Chooser {
  /** Values that are kept where nothing but light steps runs again, at the fewest bytes. */
  readonly light: Uint8Array;
  /** Light values that are cheap to make again from those of `light`, and lead to no other. */
  readonly #passing: Uint8Array;
  /** Values that stand in the way of others: each that is kept shortens a chain of rebuilds. */
  readonly #links: readonly number[];

  constructor(readonly graph: RebuildGraph) {
    this.light = this.#closed(lightCut(graph));
    const { values } = graph;
    this.#passing = new Uint8Array(values.length);
    const links: number[] = [];
    for (const { index, lateReads, within } of values) {
      if (this.light[index] === 1 || lateReads.length === 0) continue;
      const chain = closure(graph, [index], (v) => this.light[v] === 1);
      const others = [...chain].some((v) => v !== index && values[v]!.lateReads.length > 0);
      if (others) links.push(index);
      else if (within < 0) this.#passing[index] = 1;
    }
    this.#links = links;
  }

  schedule(kept: Uint8Array): Schedule {
    return schedule(this.graph, kept, this.#passing);
  }

  /** What a choice comes to. */
  try(kept: Uint8Array): Choice {
    const closed = this.#closed(kept);
    return { kept: closed, ...estimate(this.graph, this.schedule(closed)) };
  }

  /** Nothing runs again. */
  plain(): Choice {
    return this.try(new Uint8Array(this.graph.values.length).fill(1));
  }

  /**
   * Only light steps run again: the smallest peak that keeping more or fewer of the links reaches, from
   * several starts. The plain program where that saves next to nothing.
   */
  lightest(): Choice {
    const links = this.#links;
    const starts = [1, 2, 3, 4, 6].map((every) =>
      this.try(this.#with(this.light, (v) => links.indexOf(v) % every === every - 1, links)),
    );
    starts.push(this.try(this.light));
    let best = starts.reduce((a, b) => (b.peak < a.peak ? b : a));
    for (let round = 0; round < 2; round++) {
      const before = best;
      for (const v of links) {
        const changed = Uint8Array.from(best.kept);
        changed[v] = 1 - changed[v]!;
        const tried = this.try(changed);
        if (tried.peak < best.peak || (tried.peak === best.peak && tried.cost < best.cost))
          best = tried;
      }
      if (best === before) break;
    }
    const plain = this.plain();
    return plain.peak * worthwhile <= best.peak ? plain : this.#keepFree(best);
  }

  /** Keeps what fits beside what is alive anyway, dearest first: it need not be made again. */
  #keepFree(choice: Choice): Choice {
    const { nodes, values } = this.graph;
    const alive = Float64Array.from(choice.alive);
    const kept = Uint8Array.from(choice.kept);
    const dropped = values
      .filter((v) => kept[v.index] === 0 && v.lateReads.length > 0 && v.within < 0)
      .sort((a, b) => nodes[b.producer]!.cost - nodes[a.producer]!.cost);
    for (const { index, producer, bytes, lateReads } of dropped) {
      const from = choice.places[Math.max(producer, this.#lastForwardRead[index]!)]!;
      const to = choice.places[lateReads.at(-1)!]!;
      let fits = true;
      for (let i = from; i <= to && fits; i++) fits = alive[i]! + bytes <= choice.peak;
      if (!fits) continue;
      kept[index] = 1;
      for (let i = from; i <= to; i++) alive[i]! += bytes;
    }
    const tried = this.try(kept);
    return tried.peak <= choice.peak && tried.cost <= choice.cost ? tried : choice;
  }

  /** Values that these layers made are dropped, beside those that light steps make again. */
  dropping(isDropped: (layer: string) => boolean): Choice {
    const { nodes, values } = this.graph;
    const kept = Uint8Array.from(this.lightest().kept);
    for (const { index, producer } of values)
      if (isDropped(nodes[producer]!.step.layer)) kept[index] = 0;
    return this.try(kept);
  }

  /** As many segments as the square root of the number of heavy steps, each run again as a whole. */
  squareRoot(): Choice {
    const { nodes, forward } = this.graph;
    const heavy = nodes.slice(0, forward).flatMap(({ light }, i) => (light ? [] : [i]));
    const count = Math.max(1, Math.round(Math.sqrt(heavy.length)));
    const cuts = Array.from({ length: count - 1 }, (_, k) => {
      const step = heavy[Math.round(((k + 1) * heavy.length) / count)]!;
      return this.#narrowest(Math.max(0, step - 4), Math.min(forward - 1, step + 4));
    });
    return this.try(this.#segmented(cuts));
  }

  /** The smallest peak whose heavy steps cost at most `most` again. */
  smallest(most: number): Choice {
    const within = this.#candidates().filter(({ heavy }) => heavy <= most);
    const best = within.reduce((a, b) => (b.peak < a.peak ? b : a));
    return this.#refine(this.#shrink(best, most), Infinity);
  }

  /**
   * The choice of least cost whose peak is at most `budget`, or, with `feasible` false, the one of the
   * smallest peak.
   */
  within(budget: number): { choice: Choice; feasible: boolean } {
    const candidates = this.#candidates();
    let fitting = candidates.filter(({ peak }) => peak <= budget);
    if (fitting.length === 0) {
      const smallest = candidates.reduce((a, b) => (b.peak < a.peak ? b : a));
      const shrunk = this.#shrink(smallest, Infinity, budget);
      if (shrunk.peak > budget) return { choice: shrunk, feasible: false };
      fitting = [shrunk];
    }
    const cheapest = fitting.sort((a, b) => a.heavy - b.heavy || a.cost - b.cost).slice(0, 3);
    const refined = cheapest.map((choice) => this.#refine(choice, budget));
    return {
      choice: refined.reduce((a, b) => (isCheaper(b, a) ? b : a)),
      feasible: true,
    };
  }

  /** Plain, light, and segments of many lengths. */
  #candidates(): Choice[] {
    const { nodes, values, forward } = this.graph;
    const bytes = new Float64Array(forward);
    for (const { producer, bytes: size, index, lateReads } of values)
      if (this.light[index] === 1 || this.#links.includes(index))
        if (lateReads.length > 0) bytes[producer]! += size;
    const total = bytes.reduce((a, b) => a + b, 0);
    const choices = [this.plain(), this.lightest(), this.squareRoot()];
    const seen = new Set<string>();
    for (let length = total / 2; length > total / 200; length /= 1.2) {
      const cuts: number[] = [];
      let begin = 0;
      let sum = 0;
      for (let i = 0; i < forward; i++) {
        sum += bytes[i]!;
        if (sum < length) continue;
        // The narrowest place of the second half of the segment.
        const cut = this.#narrowest(begin + Math.ceil((i - begin) / 2), i);
        cuts.push(cut);
        begin = cut + 1;
        sum = 0;
        for (let j = begin; j <= i; j++) sum += bytes[j]!;
      }
      const key = cuts.join();
      if (cuts.length === 0 || seen.has(key) || nodes.length === 0) continue;
      seen.add(key);
      choices.push(this.try(this.#segmented(cuts)));
    }
    return choices;
  }

  /** Keeps again what saves most for its bytes, as long as the peak stays within the budget. */
  #refine(choice: Choice, budget: number): Choice {
    const { nodes, values } = this.graph;
    const most = Math.max(budget === Infinity ? 0 : budget, choice.peak);
    const worth = ({ producer, bytes }: { producer: number; bytes: number }): number =>
      nodes[producer]!.cost / Math.max(1, bytes);
    const order = values
      .filter(({ index }) => choice.kept[index] === 0 && this.light[index] === 1)
      .sort((a, b) => worth(b) - worth(a));
    let best = choice;
    for (const { index } of order) {
      if (best.kept[index] === 1) continue;
      const kept = Uint8Array.from(best.kept);
      kept[index] = 1;
      const tried = this.try(kept);
      if (tried.peak <= most && isCheaper(tried, best)) best = tried;
    }
    return best;
  }

  /** Drops or keeps single values as long as that lowers the peak. */
  #shrink(choice: Choice, most: number, enough = 0): Choice {
    const { values } = this.graph;
    let best = choice;
    const candidates = values.filter(
      ({ index, lateReads }) => this.light[index] === 1 || lateReads.length > 0,
    );
    const largest = [...candidates].sort((a, b) => b.bytes - a.bytes).slice(0, 150);
    for (let round = 0; round < 3; round++) {
      const before = best;
      for (const { index } of largest) {
        if (best.peak <= enough) return best;
        const kept = Uint8Array.from(best.kept);
        kept[index] = 1 - kept[index]!;
        const tried = this.try(kept);
        if (tried.peak < best.peak && tried.heavy <= most) best = tried;
      }
      if (best === before) break;
    }
    return best;
  }

  /**
   * What is kept for segments that end after these steps of the forward pass: what crosses from one to the
   * next, and all that `light` keeps of the last, which the backward pass enters first.
   */
  #segmented(cuts: readonly number[]): Uint8Array {
    const { values } = this.graph;
    const kept = new Uint8Array(values.length);
    const last = cuts.at(-1) ?? -1;
    for (const value of values) {
      const crosses = cuts.some((cut) => this.#crosses(value.index, cut));
      if (crosses || (value.producer > last && this.light[value.index] === 1))
        kept[value.index] = 1;
    }
    return kept;
  }

  /** Whether a value is made up to a step of the forward pass and read after it. */
  #crosses(v: number, cut: number): boolean {
    return this.graph.values[v]!.producer <= cut && this.#lastForwardRead[v]! > cut;
  }

  /** The step in a range after which the fewest bytes are alive. */
  #narrowest(from: number, to: number): number {
    let best = to;
    for (let i = to; i >= from; i--) if (this.#alive[i]! < this.#alive[best]!) best = i;
    return best;
  }

  get #lastForwardRead(): Int32Array {
    if (this.#lastReads !== undefined) return this.#lastReads;
    const { nodes, values, forward } = this.graph;
    const last = new Int32Array(values.length).fill(-1);
    for (let i = 0; i < forward; i++) for (const v of nodes[i]!.reads) last[v] = i;
    return (this.#lastReads = last);
  }
  #lastReads: Int32Array | undefined;

  /** Bytes of values that are alive after each step of the forward pass and read by it later. */
  get #alive(): Float64Array {
    if (this.#aliveBytes !== undefined) return this.#aliveBytes;
    const { values, forward } = this.graph;
    const alive = new Float64Array(forward + 1);
    for (const { index, producer, bytes } of values) {
      const end = this.#lastForwardRead[index]!;
      if (end < 0) continue;
      alive[producer]! += bytes;
      alive[end]! -= bytes;
    }
    for (let i = 1; i <= forward; i++) alive[i]! += alive[i - 1]!;
    return (this.#aliveBytes = alive);
  }
  #aliveBytes: Float64Array | undefined;

  #with(kept: Uint8Array, test: (v: number) => boolean, of: readonly number[]): Uint8Array {
    const more = Uint8Array.from(kept);
    for (const v of of) if (test(v)) more[v] = 1;
    return more;
  }

  /** A concatenation is its parts: where one is kept, all are, and the whole. */
  #closed(kept: Uint8Array): Uint8Array {
    const closed = Uint8Array.from(kept);
    const { values } = this.graph;
    for (let changed = true; changed;) {
      changed = false;
      for (const { index, within } of values) {
        if (within < 0 || closed[index] === closed[within]) continue;
        closed[index] = closed[within] = 1;
        changed = true;
      }
    }
    return closed;
  }
}

/** Of the plain peak: less than that much saved is not worth running anything again. */
const worthwhile = 0.98;

function isCheaper(a: Estimate, b: Estimate): boolean {
  return a.heavy < b.heavy || (a.heavy === b.heavy && a.cost < b.cost);
}

/**
 * The values of fewest bytes from which light steps make all that the backward pass reads: a vertex cut
 * between what heavy steps made and what is read.
 */
function lightCut({ nodes, values }: RebuildGraph): Uint8Array {
  const [source, sink] = [2 * values.length, 2 * values.length + 1];
  const network = new FlowNetwork(2 * values.length + 2);
  const wholes = new Set(values.map(({ within }) => within));
  for (const { index, bytes, producer, lateReads } of values) {
    const [entry, exit] = [2 * index, 2 * index + 1];
    // A concatenation costs nothing beside its parts; to keep it is to keep them.
    network.connect(entry, exit, wholes.has(index) ? Infinity : bytes);
    if (lateReads.length > 0) network.connect(exit, sink, Infinity);
    const { light, inputs } = nodes[producer]!;
    if (!light) network.connect(source, entry, Infinity);
    else for (const input of inputs) network.connect(2 * input + 1, entry, Infinity);
  }
  const side = network.cut(source, sink);
  return Uint8Array.from(values, ({ index }) =>
    side.has(2 * index) && !side.has(2 * index + 1) ? 1 : 0,
  );
}
