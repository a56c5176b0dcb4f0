import type { Images } from './images.js';
import type { StepSums } from './metrics.js';
import type { MeasuredBatch } from './own-metrics.js';
import type { DataMark } from './run-state.js';
import type { Targets } from './targets.js';

/** What `step` takes: images and what the loss compares with. `batches()` gives it. */
export interface StepBatch extends DataMark {
  x: Images;
  target: Targets;
}

export interface StepResult {
  /** Steps completed, this one included. */
  step: number;
  /** Mean over the samples that count; of the network's output alone. */
  loss: number;
  /** Mean loss of each auxiliary output, without its weight; only where the network has some. */
  auxiliary?: readonly number[];
  /** Fraction; NaN for losses without classes. */
  accuracy: number;
  /** Samples that count. */
  count: number;
  learningRate: number;
  /** The gradients overflowed in float16: nothing was changed but the loss scale, and no step counted. */
  skipped: boolean;
}

/** Sums of a step, and what became of it. */
export interface StepOutcome extends StepSums {
  learningRate: number;
  auxiliary: number[];
  skipped: boolean;
  /** For metrics of the caller's own, where they are asked for. */
  measured?: MeasuredBatch;
}

/** What a caller sees of a step. `classifies`: the loss counts hits. */
export function resultOf(outcome: StepOutcome, step: number, classifies: boolean): StepResult {
  const { learningRate, loss, weight, count, top1, auxiliary, skipped } = outcome;
  const accuracy = classifies ? top1 / count : NaN;
  return {
    ...{ step, loss: loss / weight, accuracy, count, learningRate, skipped },
    ...(auxiliary.length === 0 ? {} : { auxiliary }),
  };
}
