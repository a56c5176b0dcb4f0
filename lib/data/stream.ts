import { StriateError } from '../errors.js';
import { elementsOf, type Shape } from '../graph/shape.js';
import {
  classIndex,
  type Dataset,
  type ImageArray,
  type SampleArrays,
  type TargetKind,
} from './dataset.js';

export interface StreamSample {
  x: ImageArray;
  /** A class index, or the numbers of `target.shape`. */
  target: number | ArrayLike<number>;
}

export interface StreamOptions {
  shape: Shape;
  /** Default `'uint8'`. */
  dtype?: 'uint8' | 'float32';
  /** Number of samples, where it is known: for the time left and for schedules that count epochs. */
  length?: number;
  classes?: readonly string[];
  target?: TargetKind;
}

/**
 * A data set from any async iterable of samples. It has no random access: shuffling and the exact
 * resume of an interrupted epoch are not to be had, and asking for them throws `INVALID_ARGUMENT`.
 * Give a function that starts the iterable anew, or a second epoch finds it empty.
 */
export function fromAsyncIterable(
  source: AsyncIterable<StreamSample> | (() => AsyncIterable<StreamSample>),
  options: StreamOptions,
): Dataset {
  const { shape, dtype = 'uint8', length = Infinity, classes, target = classIndex } = options;
  const values = elementsOf(shape);
  const width = elementsOf(target.shape);
  let iterator: AsyncIterator<StreamSample> | undefined;
  let position = 0;

  async function restart(): Promise<AsyncIterator<StreamSample>> {
    await iterator?.return?.();
    position = 0;
    const iterable = typeof source === 'function' ? source() : source;
    return iterable[Symbol.asyncIterator]();
  }

  function put(sample: StreamSample, at: number, into: SampleArrays): void {
    if (sample.x.length !== values)
      throw new StriateError(
        'INVALID_DATA',
        `sample ${position} has ${sample.x.length} values, [${shape.join(', ')}] needs ${values}`,
        { remedy: 'Yield images of one shape.', details: { sample: position } },
      );
    into.x.set(sample.x, at * values);
    if (typeof sample.target === 'number') into.target[at * width] = sample.target;
    else into.target.set(sample.target, at * width);
  }

  return {
    length,
    shape: [...shape],
    dtype,
    sequential: true,
    target,
    ...(classes === undefined ? {} : { classes: [...classes] }),
    async read(indices, into, signal) {
      const first = indices[0] ?? 0;
      if (first === 0) iterator = await restart();
      if (!iterator || first !== position) throw noRandomAccess(first, position);
      for (let i = 0; i < indices.length; i++) {
        if (indices[i] !== position) throw noRandomAccess(indices[i] as number, position);
        signal?.throwIfAborted();
        const next = await iterator.next();
        if (next.done) return i;
        put(next.value, i, into);
        position++;
      }
      return indices.length;
    },
  };
}

function noRandomAccess(asked: number, position: number): StriateError {
  return new StriateError(
    'INVALID_ARGUMENT',
    `a data set from an iterable has no random access: sample ${asked} was asked for, ${position} is next`,
    { remedy: 'Read it in order from 0, without shuffling; or use fromArrays.' },
  );
}
