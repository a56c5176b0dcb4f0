/** What the arena holds for a while: bytes, and the first and last instruction that touch them. */
export interface Block {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export const alignment = 64;

export function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

/** The largest sum of live bytes: no assignment of offsets can do with less. */
export function lowerBound(blocks: readonly Block[]): number {
  return peakOf(blocks).bytes;
}

/** The instruction at which most bytes are alive. */
export function peakOf(blocks: readonly Block[]): { bytes: number; instruction: number } {
  const change = new Map<number, number>();
  for (const { bytes, first, last } of blocks) {
    change.set(first, (change.get(first) ?? 0) + align(bytes));
    change.set(last + 1, (change.get(last + 1) ?? 0) - align(bytes));
  }
  let alive = 0;
  let peak = { bytes: 0, instruction: 0 };
  for (const instruction of [...change.keys()].sort((a, b) => a - b)) {
    alive += change.get(instruction)!;
    if (alive > peak.bytes) peak = { bytes: alive, instruction };
  }
  return peak;
}

/**
 * Offsets such that no two blocks alive at one time overlap: greedy by size with the best fitting gap
 * (Pisarchyk and Lee, arXiv:2001.03288), for several orders, of which the smallest arena counts. Where
 * that leaves more than `enough` over the lower bound, a bounded search moves the blocks that stand
 * highest forward in the order.
 */
export function assignOffsets(blocks: readonly Block[]): { offsets: number[]; bytes: number } {
  const least = lowerBound(blocks);
  let best: { offsets: number[]; bytes: number } | undefined;
  let bestOrder: number[] = [];
  for (const weight of orders) {
    const order = blocks
      .map((_, i) => i)
      .sort(
        (a, b) => weight(blocks[b]!) - weight(blocks[a]!) || blocks[a]!.first - blocks[b]!.first,
      );
    const tried = placeInOrder(blocks, order);
    if (best === undefined || tried.bytes < best.bytes) {
      best = tried;
      bestOrder = order;
    }
    if (best.bytes === least) break;
  }
  return best!.bytes <= least * enough ? best! : improve(blocks, bestOrder, best!, least);
}

/** An arena of so many times the lower bound is not searched for a smaller one. */
const enough = 1.005;
/** One of so many times is searched for long: half a second. */
const poor = 1.03;
/** Blocks that the search compares with one another, in all; the long one's. */
const searchWork = 4_000_000;
const longWork = 80_000_000;

/**
 * Places the blocks again and again, each time with one of the highest moved before one that lies below
 * it at the same time. An order that is no worse is kept. The draws are those of a fixed generator, so
 * that the same blocks always lie alike.
 */
function improve(
  blocks: readonly Block[],
  start: readonly number[],
  found: { offsets: number[]; bytes: number },
  least: number,
): { offsets: number[]; bytes: number } {
  let state = 1;
  const draw = (n: number): number => (state = (state * 48271) % 2147483647) % n;
  const roundsOf = (work: number): number => Math.floor(work / (blocks.length * blocks.length + 1));
  const [rounds, mostRounds] = [roundsOf(searchWork), roundsOf(longWork)];
  let order = [...start];
  let current = found;
  let best = found;
  for (let round = 0; round < mostRounds; round++) {
    if (best.bytes <= least * (round < rounds ? enough : poor)) break;
    const { offsets, bytes } = current;
    const top = order.filter((i) => offsets[i]! + align(blocks[i]!.bytes) === bytes);
    const moved = top[draw(top.length)]!;
    const { first, last } = blocks[moved]!;
    const place = order.indexOf(moved);
    const earlier = order
      .slice(0, place)
      .filter((i) => blocks[i]!.first <= last && blocks[i]!.last >= first);
    if (earlier.length === 0) break;
    const before = order.indexOf(earlier[draw(earlier.length)]!);
    const next = order.toSpliced(place, 1).toSpliced(before, 0, moved);
    const tried = placeInOrder(blocks, next);
    // A little worse is allowed now and then: a way out of a corner.
    if (tried.bytes > current.bytes && draw(8) !== 0) continue;
    order = next;
    current = tried;
    if (tried.bytes < best.bytes) best = tried;
  }
  return best;
}

/** The heaviest block is placed first. */
const orders: readonly ((block: Block) => number)[] = [
  ({ bytes }) => bytes,
  ({ bytes, first, last }) => bytes * (last - first + 1),
  ({ first, last }) => last - first,
  ({ bytes, first, last }) => bytes * Math.sqrt(last - first + 1),
];

function placeInOrder(
  blocks: readonly Block[],
  order: readonly number[],
): { offsets: number[]; bytes: number } {
  const offsets = new Array<number>(blocks.length).fill(0);
  /** Blocks placed so far, by offset. */
  const placed: number[] = [];
  let total = 0;
  for (const i of order) {
    const block = blocks[i]!;
    const offset = bestGap(block, placed, blocks, offsets);
    offsets[i] = offset;
    total = Math.max(total, offset + align(block.bytes));
    placed.splice(firstAtOrAfter(placed, offsets, offset), 0, i);
  }
  return { offsets, bytes: total };
}

/** The smallest gap between blocks alive at the same time that holds the block, or the end. */
function bestGap(
  block: Block,
  placed: readonly number[],
  blocks: readonly Block[],
  offsets: readonly number[],
): number {
  const bytes = align(block.bytes);
  let end = 0;
  let best = -1;
  let bestSize = Infinity;
  for (const j of placed) {
    const other = blocks[j]!;
    if (other.first > block.last || other.last < block.first) continue;
    const gap = offsets[j]! - end;
    if (gap >= bytes && gap < bestSize) {
      best = end;
      bestSize = gap;
    }
    end = Math.max(end, offsets[j]! + align(other.bytes));
  }
  return best >= 0 ? best : end;
}

function firstAtOrAfter(
  placed: readonly number[],
  offsets: readonly number[],
  offset: number,
): number {
  let low = 0;
  let high = placed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (offsets[placed[middle]!]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Every block at an offset of its own: nothing is reused. */
export function isolateOffsets(blocks: readonly Block[]): { offsets: number[]; bytes: number } {
  let bytes = 0;
  const offsets = blocks.map((block) => {
    const offset = bytes;
    bytes += align(block.bytes);
    return offset;
  });
  return { offsets, bytes };
}
