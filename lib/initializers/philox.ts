/**
 * Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011): a
 * counter and a key in, four random 32-bit words out. The kernels draw the same words.
 */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = highWord(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0) >>> 0;
    const high1 = highWord(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** Upper 32 bits of a product of two 32-bit words, by halves that fit a double. */
function highWord(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** FNV-1a over the UTF-8 bytes of a name, 64 bits: the key of whatever bears the name. */
export function hashName(name: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash;
}

/** The words of one stream in order: key (seed, name), counter the number of the block. */
export class Stream {
  readonly #key: readonly [number, number];
  readonly #words = new Uint32Array(4);
  #block = 0;
  #used = 4;

  constructor(seed: number | bigint, name: string) {
    const key = BigInt.asUintN(64, hashName(name) ^ (BigInt(seed) * 0x9e3779b97f4a7c15n));
    this.#key = [Number(key & 0xffffffffn), Number(key >> 32n)];
  }

  word(): number {
    if (this.#used === 4) {
      const high = Math.floor(this.#block / 2 ** 32);
      philox([this.#block >>> 0, high, 0, 0], this.#key, this.#words);
      this.#block += 1;
      this.#used = 0;
    }
    return this.#words[this.#used++]!;
  }

  /** In [0, 1), 24 bits, as the kernels make them. */
  uniform(): number {
    return (this.word() >>> 8) * 2 ** -24;
  }

  /** Mean 0, deviation 1, by Box and Muller; two words each. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log((this.word() + 1) * 2 ** -32));
    return radius * Math.cos(2 * Math.PI * this.word() * 2 ** -32);
  }
}
