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
  signal?: AbortSignal;
}

export interface Batch {
  /** `[n, height, width, channels]` */
  x: ImageArray;
  /** `[n]` class indices, or `[n, ...]` of the set's target. */
  target: TargetArray;
  n: number;
  epoch: number;
  /** Position of the first sample in the epoch. */
  sample: number;
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

const optionNames = 'batch seed epochs shuffle dropLast start signal'.split(' ');

/** Reads batches in order; the trainer's loader and `batches` stand on it. */
export class BatchReader {
  readonly stepsPerEpoch: number | undefined;
  private readonly batch: number;
  private readonly epochs: number;
  private readonly seed: number;
  private readonly shuffle: boolean;
  private readonly dropLast: boolean;
  private readonly stop = new AbortController();
  private readonly unlink: () => void;
  private position: DataPosition;
  private order: Permutation | undefined;
  private pending: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly set: Dataset,
    options: BatchOptions,
    /** Arrays to use again for every batch, for callers that copy at once. */
    private readonly arrays?: SampleArrays,
  ) {
    checkNames('batches', optionNames, options);
    this.batch = positive('batch', options.batch);
    this.epochs = options.epochs ?? 1;
    this.seed = options.seed ?? 0;
    this.shuffle = options.shuffle ?? !set.sequential;
    this.dropLast = options.dropLast ?? false;
    this.position = { ...(options.start ?? { epoch: 0, sample: 0 }) };
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
  }

  private async readNext(): Promise<Batch | undefined> {
    for (;;) {
      if (this.stop.signal.aborted)
        throw new CancelledError('reading was aborted', { cause: this.stop.signal.reason });
      const { epoch, sample } = this.position;
      if (epoch >= this.epochs) return undefined;
      const indices = this.indicesAt(epoch, sample);
      if (indices.length === 0) {
        if (sample === 0) throw empty(epoch, this.dropLast);
        this.position = { epoch: epoch + 1, sample: 0 };
        continue;
      }
      const batch = await this.fetch(indices, epoch, sample);
      if (batch) return batch;
      if (sample === 0) throw empty(epoch, this.dropLast);
    }
  }

  /** `undefined` when a stream turned out to have ended; the position then stands on the next epoch. */
  private async fetch(
    indices: Uint32Array,
    epoch: number,
    sample: number,
  ): Promise<Batch | undefined> {
    const into = this.arrays ?? sampleArrays(this.set, indices.length);
    const pass = { seed: this.seed, epoch };
    const found = (await this.set.read(indices, into, this.stop.signal, pass)) ?? indices.length;
    const ended = found < indices.length;
    const end = sample + found;
    const last = ended || this.indicesAt(epoch, end).length === 0;
    this.position = last ? { epoch: epoch + 1, sample: 0 } : { epoch, sample: end };
    if (found === 0 || (ended && this.dropLast)) return undefined;
    const samples = Math.max(1, indices.length);
    const all = this.arrays ? this.batch : samples;
    return {
      x: into.x.subarray(0, (into.x.length / all) * found),
      target: into.target.subarray(0, (into.target.length / all) * found),
      n: found,
      epoch,
      sample,
      indices: indices.subarray(0, found),
      last,
      stepsPerEpoch: this.stepsPerEpoch,
    };
  }

  private indicesAt(epoch: number, sample: number): Uint32Array {
    const n = Math.min(this.batch, this.set.length - sample);
    if (n <= 0 || (this.dropLast && n < this.batch)) return new Uint32Array(0);
    if (!this.shuffle) return Uint32Array.from({ length: n }, (_, i) => sample + i);
    if (sample === 0 || !this.order || this.orderEpoch !== epoch) {
      this.order = new Permutation(this.set.length, this.seed, epoch);
      this.orderEpoch = epoch;
    }
    const order = this.order;
    return Uint32Array.from({ length: n }, (_, i) => order.at(sample + i));
  }

  private orderEpoch = -1;

  private countSteps(length: number): number {
    return this.dropLast ? Math.floor(length / this.batch) : Math.ceil(length / this.batch);
  }
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
