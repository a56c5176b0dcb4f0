import { CancelledError, StriateError } from '../errors.js';
import { checkNames } from '../graph/options.js';
import {
  sampleArrays,
  type Dataset,
  type ImageArray,
  type SampleArrays,
  type TargetArray,
} from './dataset.js';
import { Permutation } from './permutation.js';

/** A place in the order of the data: samples of this epoch that are already used. */
export interface DataPosition {
  epoch: number;
  sample: number;
}

export interface BatchOptions {
  batch: number;
  /** Default 0. */
  seed?: number;
  /** Last epoch's number plus one; default 1. */
  epochs?: number;
  /** A new order each epoch, by (seed, epoch). Default true, except for streams. */
  shuffle?: boolean;
  /** Leave out a last batch that is smaller. Default false. */
  dropLast?: boolean;
  /** Where to begin; default the start of epoch 0. */
  start?: DataPosition;
  /**
   * Batches that are read while the caller works with one; default 1. Each takes the memory of a batch; no
   * more are begun until one is taken. Streams read one.
   */
  prefetch?: number;
  /**
   * Of several processes that train together: which one this is, from 0, and how many there are. Each gets
   * its own part of every step's `batch * worldSize` samples; together they see every sample once an epoch,
   * in the same number of steps. Default 0 of 1.
   */
  rank?: number;
  worldSize?: number;
  signal?: AbortSignal;
}

export interface Batch {
  /** `[n, height, width, channels]` */
  x: ImageArray;
  /** `[n]` class indices, or `[n, ...]` of the set's target. */
  target: TargetArray;
  n: number;
  epoch: number;
  /** Position in the epoch of the step's first sample, of all ranks. */
  sample: number;
  /** The same of the sample behind the step's last. */
  end: number;
  /** The samples' numbers in the data set. */
  indices: Uint32Array;
  /** True for the epoch's last batch. */
  last: boolean;
  /** Batches an epoch; `undefined` for streams of unknown length. */
  stepsPerEpoch: number | undefined;
}

/**
 * Batches of a data set, epoch after epoch. The next one is read while the caller works with this one.
 * The order depends on (seed, epoch) alone; `start` continues in the middle of an epoch.
 */
export async function* batches(set: Dataset, options: BatchOptions): AsyncGenerator<Batch, void> {
  const reader = new BatchReader(set, options);
  try {
    let next = reader.read();
    for (;;) {
      const batch = await next;
      if (!batch) return;
      next = reader.read();
      // A failure belongs to the turn that asks for that batch, not to the process.
      next.catch(() => undefined);
      yield batch;
    }
  } finally {
    await reader.close();
  }
}

const optionNames = 'batch seed epochs shuffle dropLast start prefetch rank worldSize signal'.split(
  ' ',
);

/** Reads batches in order; the trainer's loader and `batches` stand on it. */
export class BatchReader {
  readonly stepsPerEpoch: number | undefined;
  private readonly batch: number;
  private readonly epochs: number;
  private readonly seed: number;
  private readonly shuffle: boolean;
  private readonly dropLast: boolean;
  private readonly rank: number;
  private readonly worldSize: number;
  /** Batches under way besides the one that is asked for. */
  private readonly ahead: number;
  private readonly stop = new AbortController();
  private readonly unlink: () => void;
  /** Of the next batch that is begun. */
  private position: DataPosition;
  private order: { epoch: number; samples: Permutation } | undefined;
  /** Batches under way, the next one first. */
  private coming: Coming[] = [];
  private begun = 0;
  private readonly arrays: SampleArrays[] = [];
  private pending: Promise<unknown> = Promise.resolve();

  /**
   * @param reuse the arrays of a batch are used again once the next one is asked for, for callers that copy
   *   at once
   */
  constructor(
    private readonly set: Dataset,
    options: BatchOptions,
    private readonly reuse = false,
  ) {
    checkNames('batches', optionNames, options);
    this.batch = positive('batch', options.batch);
    this.epochs = options.epochs ?? 1;
    this.seed = options.seed ?? 0;
    this.shuffle = options.shuffle ?? !set.sequential;
    this.dropLast = options.dropLast ?? false;
    this.worldSize = positive('worldSize', options.worldSize ?? 1);
    this.rank = rankOf(options.rank ?? 0, this.worldSize);
    this.ahead = set.sequential ? 0 : positive('prefetch', options.prefetch ?? 1) - 1;
    this.position = { ...(options.start ?? { epoch: 0, sample: 0 }) };
    this.checkParts();
    this.stepsPerEpoch = Number.isFinite(set.length) ? this.countSteps(set.length) : undefined;
    if (set.sequential) refuseRandomAccess(this.shuffle, this.position);
    const { signal } = options;
    const abort = (): void => this.stop.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    this.unlink = () => signal?.removeEventListener('abort', abort);
  }

  /** The next batch; `undefined` at the end. Calls queue. */
  read(): Promise<Batch | undefined> {
    const turn = this.pending.then(() => this.readNext());
    this.pending = turn.catch(() => undefined);
    return turn;
  }

  /** Stops reading and waits until the data set is left alone. */
  async close(): Promise<void> {
    this.unlink();
    this.stop.abort();
    await this.pending;
    await this.drop();
  }

  private async readNext(): Promise<Batch | undefined> {
    for (;;) {
      this.throwIfAborted();
      while (this.coming.length <= this.ahead) {
        const next = this.begin();
        if (next === undefined) break;
        this.coming.push(next);
      }
      const first = this.coming.shift();
      if (first === undefined) return undefined;
      try {
        const found = await first.found;
        const batch = this.finished(first, found);
        // A set that ended before its length: what was begun behind the end is of no use.
        if (found < first.indices.length) await this.goOn({ epoch: first.epoch + 1, sample: 0 });
        if (batch) return batch;
        if (first.sample === 0) throw empty(first.epoch, this.dropLast);
      } catch (error) {
        // The same batch is read again by the next call.
        await this.goOn({ epoch: first.epoch, sample: first.sample });
        throw error;
      }
    }
  }

  /** Begins to read the batch at the position, and moves behind it; undefined behind the last epoch. */
  private begin(): Coming | undefined {
    for (;;) {
      const { epoch, sample } = this.position;
      if (epoch >= this.epochs) return undefined;
      const { indices, end } = this.partAt(epoch, sample);
      if (indices.length === 0) {
        if (sample === 0) throw empty(epoch, this.dropLast);
        this.position = { epoch: epoch + 1, sample: 0 };
        continue;
      }
      const into = this.arraysFor(indices.length);
      const last = this.sizeAt(end) === 0;
      const found = this.fetch(indices, into, epoch);
      // A failure belongs to the turn that asks for this batch, not to the process.
      found.catch(() => undefined);
      this.position = last ? { epoch: epoch + 1, sample: 0 } : { epoch, sample: end };
      return { epoch, sample, end, indices, last, into, found };
    }
  }

  private async fetch(indices: Uint32Array, into: SampleArrays, epoch: number): Promise<number> {
    const pass = { seed: this.seed, epoch };
    return (await this.set.read(indices, into, this.stop.signal, pass)) ?? indices.length;
  }

  /** `undefined` when a stream turned out to have ended. */
  private finished(
    { epoch, sample, end, indices, last, into }: Coming,
    found: number,
  ): Batch | undefined {
    const ended = found < indices.length;
    if (found === 0 || (ended && this.dropLast)) return undefined;
    const held = this.reuse ? this.batch : indices.length;
    return {
      x: into.x.subarray(0, (into.x.length / held) * found),
      target: into.target.subarray(0, (into.target.length / held) * found),
      n: found,
      epoch,
      sample,
      end: ended ? sample + found : end,
      indices: indices.subarray(0, found),
      last: last || ended,
      stepsPerEpoch: this.stepsPerEpoch,
    };
  }

  private arraysFor(count: number): SampleArrays {
    if (!this.reuse) return sampleArrays(this.set, count);
    return (this.arrays[this.begun++ % (this.ahead + 1)] ??= sampleArrays(this.set, this.batch));
  }

  /** Forgets what was begun, and goes on at another place. */
  private async goOn(position: DataPosition): Promise<void> {
    await this.drop();
    this.begun = 0;
    this.position = position;
  }

  private async drop(): Promise<void> {
    const dropped = this.coming;
    this.coming = [];
    await Promise.allSettled(dropped.map(({ found }) => found));
  }

  /** Samples of the step at a position of the epoch, of all ranks; 0 at the epoch's end. */
  private sizeAt(sample: number): number {
    const whole = this.batch * this.worldSize;
    const left = this.set.length - sample;
    if (left <= 0 || (this.dropLast && left < whole)) return 0;
    const rest = left - whole;
    // A last step needs a sample for every rank: the one before leaves it some.
    if (rest > 0 && rest < this.worldSize && !this.dropLast) return left - this.worldSize;
    return Math.min(whole, left);
  }

  /** This rank's samples of the step at a position. */
  private partAt(epoch: number, sample: number): { indices: Uint32Array; end: number } {
    const size = this.sizeAt(sample);
    const border = (rank: number): number => sample + Math.floor((size * rank) / this.worldSize);
    const begin = border(this.rank);
    const order = this.shuffle && size > 0 ? this.orderOf(epoch) : undefined;
    const indices = Uint32Array.from({ length: border(this.rank + 1) - begin }, (_, i) =>
      order ? order.at(begin + i) : begin + i,
    );
    return { indices, end: sample + size };
  }

  private orderOf(epoch: number): Permutation {
    if (this.order?.epoch !== epoch)
      this.order = { epoch, samples: new Permutation(this.set.length, this.seed, epoch) };
    return this.order.samples;
  }

  private countSteps(length: number): number {
    const whole = this.batch * this.worldSize;
    return this.dropLast ? Math.floor(length / whole) : Math.ceil(length / whole);
  }

  /** Whether every step has a sample for every rank. */
  private checkParts(): void {
    const { set, worldSize, batch, dropLast } = this;
    if (worldSize === 1) return;
    if (set.sequential)
      throw new StriateError('INVALID_ARGUMENT', 'a stream has no parts for several ranks', {
        remedy: 'Give each rank a stream of its own, without rank and worldSize.',
      });
    if (dropLast || (set.length >= worldSize && (batch > 1 || set.length % worldSize === 0)))
      return;
    throw new StriateError(
      'INVALID_ARGUMENT',
      `${set.length} samples, ${batch} a step, leave some of ${worldSize} ranks without a sample`,
      { remedy: 'Leave the smaller last step out: dropLast: true.' },
    );
  }

  private throwIfAborted(): void {
    if (this.stop.signal.aborted)
      throw new CancelledError('reading was aborted', { cause: this.stop.signal.reason });
  }
}

/** One batch ahead; two of a set that decodes, so that no worker is idle at a batch's end. */
export function usualPrefetch(set: Dataset): number {
  return set.workers === undefined ? 1 : 2;
}

/** A batch under way. */
interface Coming extends Pick<Batch, 'epoch' | 'sample' | 'end' | 'indices' | 'last'> {
  into: SampleArrays;
  /** Samples that there were. */
  found: Promise<number>;
}

function rankOf(rank: number, worldSize: number): number {
  if (Number.isSafeInteger(rank) && rank >= 0 && rank < worldSize) return rank;
  throw new StriateError(
    'INVALID_ARGUMENT',
    `rank is a whole number below ${worldSize}, got ${rank}`,
  );
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new StriateError('INVALID_ARGUMENT', `${name} is a whole number above 0, got ${value}`);
}

function empty(epoch: number, dropLast: boolean): StriateError {
  return new StriateError('INVALID_DATA', `epoch ${epoch} has no batch`, {
    remedy: dropLast
      ? 'With dropLast a set needs at least one whole batch: use a smaller batch.'
      : 'The data set is empty; an iterable that runs out must be given as a function that starts it anew.',
  });
}

function refuseRandomAccess(shuffle: boolean, start: DataPosition): void {
  if (shuffle)
    throw new StriateError(
      'INVALID_ARGUMENT',
      'a stream has no random access and cannot be shuffled',
      {
        remedy: 'Leave shuffle out, or use fromArrays.',
      },
    );
  if (start.sample > 0)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `a stream has no random access and cannot be resumed at sample ${start.sample} of epoch ${start.epoch}`,
      { remedy: 'Resume from a checkpoint saved between epochs, or use fromArrays.' },
    );
}
