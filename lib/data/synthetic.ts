import { checkNames, describe, invalid } from '../graph/options.js';
import { elementsOf, requireExtents, type Shape } from '../graph/shape.js';
import type { Dataset } from './dataset.js';

export interface SyntheticOptions {
  /** Number of samples; default 1,280. */
  length?: number;
  /** Of one image; default `[224, 224, 3]`. */
  shape?: Shape;
  /** Default 1,000. */
  classes?: number;
  /** Another seed gives other images; default 0. */
  seed?: number;
}

/**
 * Images of bytes that are made when they are read, and depend on seed and index alone: for measuring, and
 * for trying a network before there is data. Noise of one brightness and tint a class, so that a network
 * can learn them; labels go round through the classes.
 * @throws StriateError `INVALID_ARGUMENT` for a number that is not whole and positive.
 */
export function synthetic(options: SyntheticOptions = {}): Dataset {
  checkNames('data.synthetic', ['length', 'shape', 'classes', 'seed'], options);
  const { length = 1280, shape = [224, 224, 3], classes = 1000, seed = 0 } = options;
  for (const [name, value] of Object.entries({ length, classes }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw invalid(
        `data.synthetic: ${name} is ${describe(value)}`,
        'Give a whole number, 1 or more.',
      );
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw invalid(
      `data.synthetic: seed is ${describe(seed)}`,
      'Give a whole number from 0 to 2^53 - 1.',
    );
  requireExtents(shape);
  const values = elementsOf(shape);
  const channels = shape.at(-1) ?? 1;
  return {
    length,
    shape: [...shape],
    dtype: 'uint8',
    read(indices, { x, target }) {
      indices.forEach((index, i) => {
        if (index >= length)
          throw invalid(`there is no sample ${index} of ${length}`, 'Read indices below length.');
        const label = index % classes;
        target[i] = label;
        const tint = Array.from({ length: channels }, (_, c) => mix(mix(label + 1) + c) >>> 25);
        let state = mix(mix(index + 1) ^ mix(seed % 2 ** 32) ^ mix(Math.floor(seed / 2 ** 32)));
        for (let v = 0; v < values; ++v) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          x[i * values + v] = tint[v % channels]! + (state >>> 25);
        }
      });
    },
  };
}

/** lowbias32: every bit of the argument changes about half the bits of the result. */
function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}
