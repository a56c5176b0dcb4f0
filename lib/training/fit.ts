import type { Batch, DataPosition } from '../data/batches.js';
import { checkDataset, type Dataset } from '../data/dataset.js';
import { CancelledError, StriateError } from '../errors.js';
import { checkNames } from '../graph/options.js';
import { dataAdvice } from './data-advice.js';
import { Feed } from './feed.js';
import { needsOutputs, type EvaluateOptions } from './evaluate.js';
import { MetricSums, type Metrics } from './metrics.js';
import type { MetricFunctions } from './own-metrics.js';
import { openProgress, ownFigures, type Progress, type ProgressState } from './progress.js';
import type { StepOutcome } from './step.js';

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
  /**
   * Metrics of your own by name: each is called with the outputs and targets of every batch, of the
   * validation too. `train.own` and `validation.own` of an epoch hold what they gave.
   */
  metrics?: MetricFunctions;
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
  /** `outputs`: steps give what own metrics need. */
  claim(owner: object, outputs: boolean): void;
  release(owner: object, finished: boolean): void;
  /** Checks a batch and copies it into a staging slot. */
  stage(slot: 0 | 1, batch: Batch): void;
  /** One step over a staged batch; the position moves behind it. */
  runStaged(slot: 0 | 1, batch: Batch): Promise<StepOutcome>;
  checkSet(set: Dataset, shuffle: boolean): void;
  noteEpochEnd(epoch: number): void;
  evaluate(set: Dataset, options?: EvaluateOptions): Promise<Metrics>;
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
    learner.claim(this, needsOutputs(options.metrics));
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
    const sums = new MetricSums(learner.classCount, options.metrics);
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
      sums.add(step, step.measured);
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
      result.validation = await learner.evaluate(options.validation, {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
      });
    const note = result.validation ? noteOf(result.validation) : '';
    progress?.finish(state, advice === undefined ? note : `${note}\n  ${advice}`);
    return result;
  }

  private reachedMaxSteps(): boolean {
    const { maxSteps } = this.options;
    return maxSteps !== undefined && this.learner.steps - this.learner.began.step >= maxSteps;
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

const optionNames =
  'epochs maxSteps validation shuffle dropLast prefetch signal metrics progress'.split(' ');

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

function noteOf({ loss, accuracy, own }: Metrics): string {
  const figures = [`  validation loss ${loss.toFixed(4)}`];
  if (!Number.isNaN(accuracy)) figures.push(`accuracy ${(100 * accuracy).toFixed(2)} %`);
  return [...figures, ...ownFigures(own)].join('  ');
}
