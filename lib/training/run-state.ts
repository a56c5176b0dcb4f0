import type { Batch, DataPosition } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import { StriateError } from '../errors.js';
import type { CheckpointHeader, DataState } from './checkpoint.js';

/** Where a batch stands in its data; of a batch from elsewhere nothing is known. */
export type DataMark = Partial<
  Pick<Batch, 'epoch' | 'sample' | 'end' | 'last' | 'indices' | 'stepsPerEpoch'>
>;

/** How far a run has come: its steps, and where its data stand. */
export class RunState {
  /** Steps completed. */
  steps: number;
  stepsPerEpoch: number | undefined;
  #position: DataPosition;
  #underWay: { length: number; shuffle: boolean } | undefined;
  #began = { epoch: 0, step: 0 };

  constructor(
    header: CheckpointHeader | undefined,
    /** Names of the classes, where they are known. */
    public classes: readonly string[] | undefined,
  ) {
    this.steps = header?.step ?? 0;
    const data = header?.data;
    this.#position = { epoch: data?.epoch ?? 0, sample: data?.sample ?? 0 };
    if (data && data.length !== null && data.shuffle !== null)
      this.#underWay = { length: data.length, shuffle: data.shuffle };
  }

  get position(): DataPosition {
    return { ...this.#position };
  }

  /** Epochs and steps at which the current count began. */
  get began(): { epoch: number; step: number } {
    return this.#began;
  }

  /** The next fit counts from here. */
  countFromHere(): void {
    this.#began = { epoch: this.#position.epoch, step: this.steps };
  }

  /** @throws StriateError `INVALID_ARGUMENT` where an epoch over another set or order is under way. */
  takeUp(set: Dataset, shuffle: boolean): void {
    this.classes ??= set.classes;
    if (this.#position.sample === 0) {
      this.#underWay = { length: set.length, shuffle };
      return;
    }
    const { length, shuffle: before } = this.#underWay ?? { length: set.length, shuffle };
    if (length !== set.length || before !== shuffle)
      throw new StriateError(
        'INVALID_ARGUMENT',
        `an epoch over ${length} samples${before ? ', shuffled,' : ''} is under way; the set has ${set.length}`,
        { remedy: 'Go on with the same data set and order.' },
      );
  }

  /** Moves behind a batch of n samples. */
  move({ epoch, sample, end, last }: DataMark, n: number): void {
    if (epoch === undefined || sample === undefined) return;
    const next = end ?? sample + n;
    this.#position = last ? { epoch: epoch + 1, sample: 0 } : { epoch, sample: next };
  }

  /** A stream tells only afterwards that an epoch is over. */
  noteEpochEnd(epoch: number): void {
    if (this.#position.epoch === epoch) this.#position = { epoch: epoch + 1, sample: 0 };
  }

  /** What a checkpoint keeps of the data. */
  get data(): DataState {
    const underWay = this.#position.sample > 0 ? this.#underWay : undefined;
    return {
      ...this.#position,
      length: underWay?.length ?? null,
      shuffle: underWay?.shuffle ?? null,
    };
  }
}
