import { StriateError } from '../errors.js';
import type { Dataset } from './dataset.js';
import { linesOf } from './images/list.js';
import type { ImageSet } from './images/set.js';
import { Permutation } from './permutation.js';

/** The samples of these indices, in this order. */
export function subset(set: Dataset, indices: ArrayLike<number>): Dataset {
  needsRandomAccess(set, 'subset');
  const chosen = Uint32Array.from(indices);
  for (const index of chosen)
    if (index >= set.length)
      throw new StriateError('INVALID_ARGUMENT', `there is no sample ${index} of ${set.length}`, {
        remedy: `Choose indices from 0 to ${set.length - 1}.`,
      });
  return {
    ...described(set),
    length: chosen.length,
    read(positions, into, signal, pass) {
      const mapped = positions.map((position) => {
        const index = chosen[position];
        if (index === undefined)
          throw new StriateError(
            'INVALID_ARGUMENT',
            `there is no sample ${position} of ${chosen.length}`,
          );
        return index;
      });
      return set.read(mapped, into, signal, pass);
    },
  };
}

/** The first `count` samples, or all where there are fewer. */
export function take(set: Dataset, count: number): Dataset {
  if (!Number.isInteger(count) || count < 0)
    throw new StriateError('INVALID_ARGUMENT', `take needs a number of samples, got ${count}`);
  return subset(
    set,
    Uint32Array.from({ length: Math.min(count, set.length) }, (_, i) => i),
  );
}

/** Two sets that share no sample: `fraction` of the samples, drawn by the seed, and the rest. */
export function split(
  set: Dataset,
  fraction: number,
  options: { seed?: number } = {},
): [Dataset, Dataset] {
  needsRandomAccess(set, 'split');
  if (!(fraction >= 0 && fraction <= 1))
    throw new StriateError(
      'INVALID_ARGUMENT',
      `split needs a fraction from 0 to 1, got ${fraction}`,
    );
  const order = new Permutation(set.length, options.seed ?? 0, 0);
  const indices = Uint32Array.from({ length: set.length }, (_, i) => order.at(i));
  const border = Math.round(set.length * fraction);
  return [subset(set, indices.subarray(0, border)), subset(set, indices.subarray(border))];
}

/**
 * The samples that a file names, one a line, and the rest: `[listed, rest]`. A name is a sample's path, or its
 * end from a folder's border on (`dog/7.jpg`, `7.jpg`), with or without the ending.
 * @throws StriateError `INVALID_DATA` for a name that no sample has.
 */
export async function splitByFile(set: ImageSet, file: string): Promise<[Dataset, Dataset]> {
  needsRandomAccess(set, 'splitByFile');
  const lines = new Map<string, number>();
  for await (const [text, line] of linesOf(file))
    if (text.trim() !== '') lines.set(text.trim(), line);
  const unmet = new Map(lines);
  const [listed, rest]: [number[], number[]] = [[], []];
  for (let i = 0; i < set.length; i++) {
    const name = endsOf(set.nameOf(i)).find((end) => lines.has(end));
    if (name !== undefined) unmet.delete(name);
    (name === undefined ? rest : listed).push(i);
  }
  const [strange] = unmet;
  if (strange !== undefined)
    throw new StriateError(
      'INVALID_DATA',
      `${file}, line ${strange[1]}: no sample is called ${strange[0]}`,
      { remedy: 'Name samples that the set has, one a line.', details: { file, line: strange[1] } },
    );
  return [subset(set, listed), subset(set, rest)];
}

/** What a line may call a sample, the longest first. Members of shards stand behind a colon. */
function endsOf(name: string): string[] {
  const parts = name.split(/\/|: /);
  const ends = parts.map((_, i) => parts.slice(i).join('/'));
  return [name, ...ends].flatMap((end) => [end, end.replace(/\.[^./]+$/, '')]);
}

function described(
  set: Dataset,
): Pick<Dataset, 'shape' | 'dtype' | 'classes' | 'target' | 'workers'> {
  return {
    shape: set.shape,
    dtype: set.dtype,
    ...(set.classes === undefined ? {} : { classes: set.classes }),
    ...(set.target === undefined ? {} : { target: set.target }),
    ...(set.workers === undefined ? {} : { workers: set.workers }),
  };
}

function needsRandomAccess(set: Dataset, what: string): void {
  if (set.sequential)
    throw new StriateError('INVALID_ARGUMENT', `${what} needs random access, a stream has none`, {
      remedy: 'Read the stream into arrays and use fromArrays.',
    });
}
