/**
 * The order of an epoch: a permutation of 0 .. length-1 that is a function of (seed, epoch) alone, so
 * that any batch can be found again without drawing those before it.
 *
 * A Feistel network of eight rounds over the next power of two permutes that range; values outside
 * 0 .. length-1 are walked on until one falls inside (cycle walking; Black and Rogaway, "Ciphers with
 * arbitrary finite domains", 2002). The round function is MurmurHash3's finaliser over (half, key),
 * the keys come from (seed, epoch, round) in the same way.
 */
export class Permutation {
  private readonly keys: Uint32Array;
  private readonly leftBits: number;
  private readonly rightBits: number;

  constructor(
    readonly length: number,
    seed: number,
    epoch: number,
  ) {
    const bits = Math.max(2, Math.ceil(Math.log2(Math.max(2, length))));
    this.leftBits = bits >> 1;
    this.rightBits = bits - this.leftBits;
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32) >>> 0;
    this.keys = Uint32Array.from({ length: rounds }, (_, round) =>
      mix(mix(mix(mix(low) ^ high) ^ epoch) ^ (round + 1)),
    );
  }

  /** The sample at a position of the epoch. */
  at(position: number): number {
    let value = position;
    do value = this.walk(value);
    while (value >= this.length);
    return value;
  }

  private walk(value: number): number {
    let left = Math.floor(value / 2 ** this.rightBits);
    let right = value % 2 ** this.rightBits;
    let width = this.leftBits;
    for (const key of this.keys) {
      const next = (left ^ (mix(right ^ key) >>> (32 - width))) >>> 0;
      left = right;
      right = next;
      width = this.leftBits + this.rightBits - width;
    }
    return left * 2 ** this.rightBits + right;
  }
}

/** Even, so that the halves end with the widths they began with. */
const rounds = 8;

/** MurmurHash3's 32-bit finaliser. */
function mix(value: number): number {
  let h = (value + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
