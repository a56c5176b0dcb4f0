import { describe, invalid } from '../graph/options.js';

/** A batch as it was measured. */
export interface MeasuredBatch {
  /** The network's raw outputs, one image after the other. */
  readonly output: Float32Array | Float64Array;
  /** Extents of one image's output. */
  readonly shape: readonly number[];
  /** What the loss compares with, one image after the other. */
  readonly target: Int32Array | Float32Array | Float64Array;
  /** Images in the batch. */
  readonly n: number;
}

/**
 * A metric of the caller's own: the mean over the images of a batch, or a sum and what it is divided by
 * (so that images which do not count can be left out). Over a set the means are weighted by these counts.
 */
export type MetricFunction = (batch: MeasuredBatch) => number | { sum: number; count: number };

export type MetricFunctions = Readonly<Record<string, MetricFunction>>;

/** Adds up over batches what metrics give. */
export class OwnMetrics {
  readonly #sums = new Map<string, { sum: number; count: number }>();

  /** @throws StriateError INVALID_ARGUMENT for a metric that is no function. */
  constructor(private readonly functions: MetricFunctions = {}) {
    checkMetrics(functions);
    for (const name of Object.keys(functions)) this.#sums.set(name, { sum: 0, count: 0 });
  }

  /** There are some, so outputs are needed. */
  get any(): boolean {
    return this.#sums.size > 0;
  }

  /** @throws StriateError INVALID_ARGUMENT for a metric that gives no number. */
  add(batch: MeasuredBatch): void {
    for (const [name, total] of this.#sums) {
      const given: unknown = this.functions[name]!(batch);
      const { sum, count } =
        typeof given === 'number'
          ? { sum: given * batch.n, count: batch.n }
          : (Object(given) as { sum: unknown; count: unknown });
      if (typeof sum !== 'number' || typeof count !== 'number')
        throw invalid(
          `the metric ${name} gave ${describe(given)}`,
          'Return the mean over the images, or { sum, count }.',
        );
      total.sum += sum;
      total.count += count;
    }
  }

  get means(): Record<string, number> {
    return Object.fromEntries([...this.#sums].map(([name, { sum, count }]) => [name, sum / count]));
  }
}

/** @throws StriateError INVALID_ARGUMENT */
export function checkMetrics(functions: MetricFunctions | undefined): void {
  if (functions === undefined) return;
  if (typeof functions !== 'object' || (functions as unknown) === null)
    throw invalid(
      `metrics is ${describe(functions)}`,
      'Give functions by name: { mine: (batch) => ... }.',
    );
  for (const [name, metric] of Object.entries(functions))
    if (typeof metric !== 'function')
      throw invalid(
        `the metric ${name} is ${describe(metric)}`,
        'Give a function of { output, shape, target, n }.',
      );
}
