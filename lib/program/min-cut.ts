/** A flow network; edges stand in pairs, forth and back. Dinic's algorithm. */
export class FlowNetwork {
  readonly #to: number[] = [];
  readonly #room: number[] = [];
  readonly #edges: number[][];

  constructor(nodes: number) {
    this.#edges = Array.from({ length: nodes }, () => []);
  }

  /** `capacity` may be infinite. */
  connect(from: number, to: number, capacity: number): void {
    this.#edges[from]!.push(this.#to.length);
    this.#to.push(to);
    this.#room.push(capacity);
    this.#edges[to]!.push(this.#to.length);
    this.#to.push(from);
    this.#room.push(0);
  }

  /** The nodes on the source's side of a cut of least capacity, which must be finite. */
  cut(source: number, sink: number): Set<number> {
    for (;;) {
      const level = this.#levels(source);
      if (level[sink]! < 0) break;
      const next = new Array<number>(this.#edges.length).fill(0);
      while (this.#push(source, sink, Infinity, level, next) > 0);
    }
    const level = this.#levels(source);
    return new Set(level.flatMap((l, node) => (l >= 0 ? [node] : [])));
  }

  /** Edges from the source, where there is room; -1: not to be reached. */
  #levels(source: number): number[] {
    const level = new Array<number>(this.#edges.length).fill(-1);
    level[source] = 0;
    const queue = [source];
    for (let node = queue.shift(); node !== undefined; node = queue.shift())
      for (const edge of this.#edges[node]!) {
        const to = this.#to[edge]!;
        if (level[to]! >= 0 || this.#room[edge]! <= 0) continue;
        level[to] = level[node]! + 1;
        queue.push(to);
      }
    return level;
  }

  /** Sends up to `most` along one path of rising levels; returns how much. */
  #push(node: number, sink: number, most: number, level: number[], next: number[]): number {
    if (node === sink) return most;
    const edges = this.#edges[node]!;
    for (; next[node]! < edges.length; next[node]!++) {
      const edge = edges[next[node]!]!;
      const to = this.#to[edge]!;
      const room = this.#room[edge]!;
      if (room <= 0 || level[to] !== level[node]! + 1) continue;
      const sent = this.#push(to, sink, Math.min(most, room), level, next);
      if (sent === 0) continue;
      this.#room[edge]! -= sent;
      this.#room[edge ^ 1]! += sent;
      return sent;
    }
    return 0;
  }
}
