import { BatchReader, usualPrefetch, type Batch, type DataPosition } from '../data/batches.js';
import { checkDataset, type Dataset } from '../data/dataset.js';
import { CancelledError, StriateError } from '../errors.js';
import { checkNames } from '../graph/options.js';
import { dataAdvice } from './data-advice.js';
import { MetricSums, type Metrics, type StepSums } from './metrics.js';
import { openProgress, type Progress, type ProgressState } from './progress.js';

export interface FitOptions {
  /**
   * Epochs to train; default 1. A fit that was interrupted, or a trainer that was resumed, counts the
   * epochs already done; a fit after a finished one adds to it.
   */
  epochs?: number;
  /** Stops after this many steps, counted as `epochs` is, also in the middle of an epoch. */
  maxSteps?: number;
  /** Evaluated after each epoch. */
  validation?: Dataset;
  /** Default true, except for streams. */
  shuffle?: boolean;
  /** Leave out a last batch that is smaller. Default false. */
  dropLast?: boolean;
  /**
   * Batches that are read while a step runs, each in the memory of a batch. Default 1, or 2 for images that
   * are decoded, so that no worker is idle at a batch's end.
   */
  prefetch?: number;
  signal?: AbortSignal;
  /** Shows a progress line on standard error. Default false. */
  progress?: boolean;
}

export interface Epoch {
  /** Epochs completed, 1 after the first. */
  epoch: number;
  /** Steps completed since the run began. */
  step: number;
  /** Duration of the training, validation left out. */
  seconds: number;
  imagesPerSecond: number;
  /** Seconds in which a step waited for its data. */
  dataWait: number;
  /** What may help, when the data took a good part of the time. */
  advice?: string;
  /** Of the last step. */
  learningRate: number;
  /** Measured while the parameters changed; after a resume only the epoch's rest. */
  train: Metrics;
  validation?: Metrics;
}

export interface History {
  epochs: Epoch[];
  /** By validation where there is one: the highest accuracy, or the lowest loss without classes. */
  best: Epoch | undefined;
}

/** What a fit asks of its trainer. */
export interface Learner {
  readonly batch: number;
  readonly seed: number;
  readonly steps: number;
  readonly position: DataPosition;
  /** Epochs and steps at which the current count began. */
  readonly began: { epoch: number; step: number };
  readonly classCount: number | undefined;
  claim(owner: object): void;
  release(owner: object, finished: boolean): void;
  /** Checks a batch and copies it into a staging slot. */
  stage(slot: 0 | 1, batch: Batch): void;
  /** One step over a staged batch; the position moves behind it. */
  runStaged(slot: 0 | 1, batch: Batch): Promise<StepSums & { learningRate: number }>;
  checkSet(set: Dataset, shuffle: boolean): void;
  noteEpochEnd(epoch: number): void;
  evaluate(set: Dataset, options?: { signal?: AbortSignal }): Promise<Metrics>;
}

/**
 * Training under way: iterate it to see each epoch as it ends, or await it for the whole history. It
 * is pulled: nothing runs before the first pull, and no step runs during the loop's body.
 */
export class Fit implements AsyncIterable<Epoch>, PromiseLike<History> {
  private readonly epochs: Epoch[] = [];
  private readonly generator: AsyncGenerator<Epoch, void>;
  private stopped = false;
  private history: Promise<History> | undefined;

  constructor(
    private readonly learner: Learner,
    private readonly set: Dataset,
    private readonly options: FitOptions = {},
  ) {
    this.generator = this.run();
  }

  /** One iteration for all loops over this fit; leaving a loop stops after the current step. */
  [Symbol.asyncIterator](): AsyncIterator<Epoch, void> {
    return {
      next: () => this.generator.next(),
      return: () => {
        this.stopped = true;
        return this.generator.return();
      },
    };
  }

  then<A = History, B = never>(
    onFulfilled?: ((history: History) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.history ??= this.drain();
    return this.history.then(onFulfilled, onRejected);
  }

  private async drain(): Promise<History> {
    while (!(await this.generator.next()).done);
    return { epochs: this.epochs, best: bestOf(this.epochs) };
  }

  private async *run(): AsyncGenerator<Epoch, void> {
    const { learner, set, options } = this;
    learner.claim(this);
    let finished = false;
    let progress: Progress | undefined;
    let feed: Feed | undefined;
    try {
      checkOptions(options);
      throwIfAborted(options.signal);
      checkDataset(set);
      learner.checkSet(set, options.shuffle ?? !set.sequential);
      const total = learner.began.epoch + (options.epochs ?? 1);
      if (options.progress) progress = await openProgress();
      feed = new Feed(learner, set, options, total);
      await feed.advance();
      while (feed.current && !this.stopped && !this.reachedMaxSteps()) {
        const epoch = await this.runEpoch(feed, total, progress);
        if (this.stopped) return;
        this.epochs.push(epoch);
        yield epoch;
      }
      finished = !this.stopped && !feed.current;
    } finally {
      progress?.stop();
      await feed?.close();
      learner.release(this, finished);
    }
  }

  /** Steps until the epoch ends, `maxSteps` is reached, or someone stops the fit. */
  private async runEpoch(
    feed: Feed,
    total: number,
    progress: Progress | undefined,
  ): Promise<Epoch> {
    const { learner, options } = this;
    const { epoch, sample } = feed.current as Batch;
    const sums = new MetricSums(learner.classCount);
    const done = feed.stepsPerEpoch === undefined ? 0 : Math.floor(sample / learner.batch);
    const state: ProgressState = {
      epoch,
      epochs: total,
      step: done,
      steps: feed.stepsPerEpoch,
      samples: 0,
      seconds: 0,
      dataWait: 0,
      sums,
    };
    const start = performance.now();
    let learningRate = NaN;
    for (;;) {
      const batch = feed.current as Batch;
      const running = learner.runStaged(feed.slot, batch);
      feed.prepare();
      const step = await settled(running);
      learningRate = step.learningRate;
      sums.add(step);
      throwIfAborted(options.signal);
      const ready = performance.now();
      await feed.advance();
      const now = performance.now();
      state.dataWait += (now - ready) / 1000;
      state.seconds = (now - start) / 1000;
      state.samples += batch.n;
      state.step++;
      if (feed.current?.epoch !== epoch) {
        learner.noteEpochEnd(epoch);
        break;
      }
      if (this.stopped || this.reachedMaxSteps()) break;
      progress?.update(state);
    }
    const result: Epoch = {
      epoch: epoch + 1,
      step: learner.steps,
      seconds: state.seconds,
      imagesPerSecond: state.samples / state.seconds,
      dataWait: state.dataWait,
      learningRate,
      train: sums.metrics,
    };
    const advice = dataAdvice(this.set, state.dataWait / state.seconds);
    if (advice !== undefined) result.advice = advice;
    if (options.validation && !this.stopped)
      result.validation = await learner.evaluate(
        options.validation,
        options.signal === undefined ? {} : { signal: options.signal },
      );
    const note = result.validation ? noteOf(result.validation) : '';
    progress?.finish(state, advice === undefined ? note : `${note}\n  ${advice}`);
    return result;
  }

  private reachedMaxSteps(): boolean {
    const { maxSteps } = this.options;
    return maxSteps !== undefined && this.learner.steps - this.learner.began.step >= maxSteps;
  }
}

/** The data's side of a fit: while a step uses one slot, the next batch is read and staged into the other. */
class Feed {
  /** The batch that stands in `slot`; undefined at the end of the data. */
  current: Batch | undefined;
  slot: 0 | 1 = 1;
  private readonly reader: BatchReader;
  private coming: Promise<Batch | undefined> | undefined;

  constructor(
    private readonly learner: Learner,
    set: Dataset,
    options: FitOptions,
    epochs: number,
  ) {
    this.reader = new BatchReader(
      set,
      {
        batch: learner.batch,
        seed: learner.seed,
        epochs,
        start: learner.position,
        shuffle: options.shuffle ?? !set.sequential,
        dropLast: options.dropLast ?? false,
        prefetch: options.prefetch ?? usualPrefetch(set),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
      true,
    );
  }

  get stepsPerEpoch(): number | undefined {
    return this.reader.stepsPerEpoch;
  }

  /** Begins to read and stage the next batch. */
  prepare(): void {
    this.coming = this.fetch(this.slot === 0 ? 1 : 0);
    // Its failure is reported by `advance`, after the step that runs meanwhile.
    this.coming.catch(() => undefined);
  }

  /** Waits for the next batch; it becomes the current one. */
  async advance(): Promise<void> {
    if (!this.coming) this.prepare();
    this.current = await this.coming;
    this.coming = undefined;
    this.slot = this.slot === 0 ? 1 : 0;
  }

  async close(): Promise<void> {
    await this.reader.close();
    await this.coming?.catch(() => undefined);
  }

  private async fetch(slot: 0 | 1): Promise<Batch | undefined> {
    const batch = await this.reader.read();
    if (batch) this.learner.stage(slot, batch);
    // One turn of the event loop a step, so that a fit never starves timers and sockets.
    await new Promise((resolve) => setImmediate(resolve));
    return batch;
  }
}

/** Marks the promise as handled while something else is awaited first. */
function settled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new CancelledError('the training was aborted; the last step is complete', {
      cause: signal.reason,
      remedy: 'Save, or call fit again to go on.',
    });
}

const optionNames = 'epochs maxSteps validation shuffle dropLast prefetch signal progress'.split(
  ' ',
);

function checkOptions(options: FitOptions): void {
  checkNames('fit', optionNames, options);
  const { epochs = 1, maxSteps = 1 } = options;
  for (const [name, value] of Object.entries({ epochs, maxSteps }))
    if (!Number.isSafeInteger(value) || value < 0)
      throw new StriateError('INVALID_ARGUMENT', `${name} is a whole number, got ${value}`);
}

function bestOf(epochs: readonly Epoch[]): Epoch | undefined {
  const score = ({ train, validation }: Epoch): number => {
    const { accuracy, loss } = validation ?? train;
    return Number.isNaN(accuracy) ? -loss : accuracy;
  };
  return epochs.reduce<Epoch | undefined>(
    (best, epoch) => (best && score(best) >= score(epoch) ? best : epoch),
    undefined,
  );
}

function noteOf({ loss, accuracy }: Metrics): string {
  const note = `  validation loss ${loss.toFixed(4)}`;
  return Number.isNaN(accuracy) ? note : `${note}  accuracy ${(100 * accuracy).toFixed(2)} %`;
}
