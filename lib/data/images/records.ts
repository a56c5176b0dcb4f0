import { readFile } from 'node:fs/promises';
import { StriateError } from '../../errors.js';
import { checkNames } from '../../graph/options.js';
import type { Dataset } from '../dataset.js';
import { ImageReader, imageSetOptions, type ImageRequest, type ImageSetOptions } from './set.js';
import { ClassNumbers } from './source.js';

/** An encoded image with its class. */
export interface ImageRecord {
  /** A file's bytes, or its path. */
  image: Uint8Array | string;
  /** A class by name or by number. */
  label: string | number;
  /** How messages call it; default its path, or its number. */
  name?: string;
}

export interface RecordOptions extends ImageSetOptions {
  /** Names of the classes in their order. */
  classes: readonly string[];
  /** Number of records, where it is known. */
  length?: number;
}

/** A data set of records. */
export interface RecordSet extends Dataset {
  readonly classes: readonly string[];
  readonly broken: ReadonlyMap<string, string>;
}

/**
 * Encoded images from any async iterable: a database's cursor, a queue, another tar reader. They are decoded
 * and changed as those of `imageFolder`, several at a time; one batch of records is held. As every stream it
 * can neither be shuffled nor resumed in the middle of an epoch; give a function that starts it anew for a
 * second epoch.
 * @throws StriateError on reading: `INVALID_DATA` for an unknown class, or an image that does not decode
 *   (`onError`).
 */
export function fromRecords(
  records: AsyncIterable<ImageRecord> | (() => AsyncIterable<ImageRecord>),
  options: RecordOptions,
): RecordSet {
  const where = 'data.fromRecords';
  checkNames(where, [...imageSetOptions, 'classes', 'length'], options);
  const { classes, length = Infinity, ...images } = options;
  const reader = new ImageReader(where, images, new Map());
  const numbers = new ClassNumbers(classes);
  let iterator: AsyncIterator<ImageRecord> | undefined;
  let position = 0;

  const request = ({ image, label, name }: ImageRecord, index: number): ImageRequest => {
    const called = name ?? (typeof image === 'string' ? image : `record ${index}`);
    return {
      index,
      name: called,
      label: numbers.of(label, called),
      bytes: async (signal) =>
        typeof image === 'string'
          ? readFile(image, signal === undefined ? {} : { signal }).catch((cause: unknown) => {
              throw new StriateError('INVALID_DATA', `${image} cannot be read`, {
                remedy: 'Look whether the file is there and may be read.',
                cause,
              });
            })
          : image,
    };
  };

  return {
    length,
    shape: reader.shape,
    dtype: 'uint8',
    classes: [...classes],
    broken: reader.broken,
    workers: reader.workers,
    sequential: true,
    async read(indices, into, signal, pass) {
      const first = indices[0] ?? 0;
      if (first === 0) {
        await iterator?.return?.();
        position = 0;
        const iterable = typeof records === 'function' ? records() : records;
        iterator = iterable[Symbol.asyncIterator]();
      }
      if (!iterator || first !== position)
        throw new StriateError(
          'INVALID_ARGUMENT',
          `records have no random access: ${first} was asked for, ${position} is next`,
          { remedy: 'Read them in order from 0, without shuffling.' },
        );
      const batch: ImageRequest[] = [];
      while (batch.length < indices.length) {
        signal?.throwIfAborted();
        const next = await iterator.next();
        if (next.done) break;
        batch.push(request(next.value, position++));
      }
      await reader.read(batch.length, (i) => batch[i]!, into, signal, pass);
      return batch.length;
    },
  };
}
