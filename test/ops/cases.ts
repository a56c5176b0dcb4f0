/**
 * The case table of the ops: what a case is, and the numbers that fill its operands.
 *
 * `test/ops/<family>.ts` holds the cases and double-precision references of one family of
 * `native/ops/ops.def`. The op test, the gradient check, the contract test, the PyTorch comparison and
 * the sanitizer runs all read this one table.
 */

import type { HalfType } from '../../lib/program/half.js';

export type Numbers = ArrayLike<number>;
/** Dense contents by operand name. */
export type Arrays = Record<string, Numbers>;
export type Compute = 'float32' | 'float64';
/** What volumes are stored in: the type that is computed in, or 16 bits where that is float32. */
export type Precision = Compute | HalfType;

/**
 * Numbers made by a recipe which `test/fixtures/generator.py` repeats bit for bit. `h(i)` is the hash of
 * the element's index below, `u(i) = h(i) / 2^32`. Every number is rounded to float32, so that all
 * precisions compute with the same ones.
 */
export type Recipe = (
  | /** low + (high - low) u */ { kind: 'uniform'; low: number; high: number }
  | /** gap <= |x| < high: kept away from a kink at zero */ {
      kind: 'away';
      gap: number;
      high: number;
    }
  | /** all different, neighbours `step` apart, centred on zero, in the order of the hashes */ {
      kind: 'distinct';
      step: number;
    }
  | /** floor(low + (high - low) u) */ { kind: 'integers'; low: number; high: number }
  | { kind: 'values'; values: readonly number[] }
) & { /** Elements that are replaced: NaN and the like. */ put?: Readonly<Record<number, number>> };

/** A recipe, or a function of the inputs before it (saved means, max-pool switches). */
export type Fill = Recipe | ((inputs: Arrays) => Numbers);

export interface Operand {
  /** Extents, batch included. */
  shape: readonly number[];
  /** Default: the element type that is computed in. */
  dtype?: 'uint8' | 'int32' | 'float32';
  /** A channel range of a wider volume: the wider volume's channels, and the first of the range. */
  pitch?: number;
  channelOffset?: number;
}

export interface Input extends Operand {
  fill: Fill;
}

export interface Output extends Operand {
  /** Added to instead of overwritten; what is there before comes from `previous`. */
  accumulate?: true;
  previous?: Fill;
}

/** What the control block holds during a case; the rest is zero, `lossScale` one. */
export interface ControlValues {
  step?: number;
  sampleOffset?: number;
  seed?: number;
  learningRate?: number;
  lossScale?: number;
}

export interface OpCase {
  name: string;
  attributes: Readonly<Record<string, number | bigint>>;
  /**
   * Operands by name; optional ones may be left out. Inputs that are no operand of the op are there for
   * the reference and for PyTorch alone (the `x` of a max-pooling whose switches are given).
   */
  inputs: Readonly<Record<string, Input>>;
  outputs: Readonly<Record<string, Output>>;
  control?: ControlValues;
  /** Why PyTorch has no values for this case. */
  noTorch?: string;
  /** Why the numeric gradient check leaves the case out. */
  noGradient?: string;
}

export interface OpCases {
  op: string;
  cases: readonly OpCase[];
  /**
   * The outputs in double precision by plain loops, from dense inputs. An output of the name `commit`
   * is the commit flag after the op.
   */
  reference(inputs: Arrays, c: OpCase): Arrays;
  /** Of a loss that starts the backward pass itself: the number whose gradient its rule computes. */
  objective?(outputs: Arrays, c: OpCase): number;
}

/** What a family file exports as its default. */
export type FamilyCases = readonly OpCases[];

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Attributes of type float32 are rounded where they are packed; cases hold the rounded ones. */
export const f32 = Math.fround;

// --- The generator -----------------------------------------------------------------------------------

/** FNV-1a over the characters of an ASCII name: the seed of a stream. */
export function seedOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; ++i) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

/** A 32-bit mixer (Chris Wellons's lowbias32). */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** h(i): element i of the stream `seed`. */
const hash = (seed: number, i: number): number => mix((Math.imul(i, 0x9e3779b9) ^ mix(seed)) >>> 0);

/** `count` numbers of a recipe from the stream of that name. */
export function generate(recipe: Recipe, count: number, name: string): Float64Array {
  const seed = seedOf(name);
  const out = new Float64Array(count);
  const u = (i: number): number => hash(seed, i) / 2 ** 32;
  switch (recipe.kind) {
    case 'uniform':
      for (let i = 0; i < count; ++i) out[i] = recipe.low + (recipe.high - recipe.low) * u(i);
      break;
    case 'away':
      for (let i = 0; i < count; ++i) {
        const t = 2 * u(i) - 1;
        out[i] =
          t < 0
            ? -recipe.gap + (recipe.high - recipe.gap) * t
            : recipe.gap + (recipe.high - recipe.gap) * t;
      }
      break;
    case 'distinct': {
      const order = Array.from({ length: count }, (_, i) => i);
      const hashes = order.map((i) => hash(seed, i));
      order.sort((a, b) => hashes[a]! - hashes[b]! || a - b);
      order.forEach((i, rank) => (out[i] = (rank - (count - 1) / 2) * recipe.step));
      break;
    }
    case 'integers':
      for (let i = 0; i < count; ++i)
        out[i] = Math.floor(recipe.low + (recipe.high - recipe.low) * u(i));
      break;
    case 'values':
      if (recipe.values.length !== count)
        throw new Error(`${name}: ${recipe.values.length} values for ${count}`);
      out.set(recipe.values);
      break;
  }
  for (const [i, value] of Object.entries(recipe.put ?? {})) out[Number(i)] = value;
  return out.map(Math.fround);
}

/** What becomes of an operand's numbers where it is stored. */
export type Rounding = (name: string, numbers: Numbers) => Numbers;
const exactly: Rounding = (_name, numbers) => numbers;

/**
 * Contents of all inputs of a case, dense, in the order in which they are written down; each is rounded
 * before others are computed from it.
 */
export function inputsOf(op: string, c: OpCase, round = exactly): Record<string, Numbers> {
  const arrays: Record<string, Numbers> = {};
  for (const [name, input] of Object.entries(c.inputs)) {
    const numbers =
      typeof input.fill === 'function'
        ? input.fill(arrays)
        : generate(input.fill, elements(input.shape), `${op}/${c.name}/${name}`);
    arrays[name] = round(name, numbers);
  }
  return arrays;
}

/** What an accumulating output holds before the op. */
export function previousOf(op: string, c: OpCase, name: string, round = exactly): Numbers {
  const output = c.outputs[name]!;
  const fill = output.previous ?? uniform(-1, 1);
  const numbers =
    typeof fill === 'function'
      ? fill(inputsOf(op, c, round))
      : generate(fill, elements(output.shape), `${op}/${c.name}/${name}/previous`);
  return round(name, numbers);
}

// --- Short forms for the tables ----------------------------------------------------------------------

export const uniform = (low: number, high: number, put?: Record<number, number>): Recipe => ({
  kind: 'uniform',
  low,
  high,
  ...(put && { put }),
});
export const away = (gap = 0.05, high = 1): Recipe => ({ kind: 'away', gap, high });
export const distinct = (step = 0.01, put?: Record<number, number>): Recipe => ({
  kind: 'distinct',
  step,
  ...(put && { put }),
});
export const integers = (low: number, high: number, put?: Record<number, number>): Recipe => ({
  kind: 'integers',
  low,
  high,
  ...(put && { put }),
});
export const values = (...v: number[]): Recipe => ({ kind: 'values', values: v });

/** A channel range: `range(16, 5)` begins at channel 5 of a volume with 16. */
export interface Range {
  pitch: number;
  channelOffset: number;
}
export const range = (pitch: number, channelOffset: number): Range => ({ pitch, channelOffset });

/** Operands whose first extent is not the batch, for the compiler's tensors. */
const unbatched = new Set(
  (
    'w b dw db gamma beta mean variance unbiased dgamma dbeta runningMean runningVariance std statistics ' +
    'workspace weights gradients parameters averages momentum segments trusted clip loss'
  ).split(' '),
);
export const isBatched = (name: string, shape: readonly number[]): boolean =>
  shape.length > 0 && !unbatched.has(name);
