import { BatchReader, usualPrefetch, type Batch } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import type { FitOptions, Learner } from './fit.js';

/** The data's side of a fit: while a step uses one slot, the next batch is read and staged into the other. */
export class Feed {
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
