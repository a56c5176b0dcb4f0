import { OwnMetrics, type MeasuredBatch, type MetricFunctions } from './own-metrics.js';

/** What a pass over data measured. Accuracies are fractions. */
export interface Metrics {
  /** Mean loss a sample that counts. */
  loss: number;
  /** Fraction whose label has the largest output; NaN for losses without classes. */
  accuracy: number;
  /** Fraction whose label is among the five largest outputs; only with more than five classes. */
  top5?: number;
  /** Samples that count. */
  count: number;
  /** What the caller's own metrics gave, by name; only where there are some. */
  own?: Readonly<Record<string, number>>;
}

/** What one step measured: sums, so that steps of different sizes add up. */
export interface StepSums {
  loss: number;
  /** What the sum of the losses is divided by: the samples that count, or their weights. */
  weight: number;
  count: number;
  top1: number;
  top5: number;
}

/** Adds up steps. */
export class MetricSums {
  private sums: StepSums = { loss: 0, weight: 0, count: 0, top1: 0, top5: 0 };

  readonly #own: OwnMetrics;

  /** `classes`: undefined for losses that do not classify. */
  constructor(
    private readonly classes: number | undefined,
    metrics?: MetricFunctions,
  ) {
    this.#own = new OwnMetrics(metrics);
  }

  /** `batch`: for the caller's own metrics, where there are some. */
  add(step: StepSums, batch?: MeasuredBatch): void {
    if (batch !== undefined) this.#own.add(batch);
    this.sums.loss += step.loss;
    this.sums.weight += step.weight;
    this.sums.count += step.count;
    this.sums.top1 += step.top1;
    this.sums.top5 += step.top5;
  }

  get metrics(): Metrics {
    const { loss, weight, count, top1, top5 } = this.sums;
    return {
      loss: loss / weight,
      accuracy: this.classes === undefined ? NaN : top1 / count,
      ...(this.classes !== undefined && this.classes > 5 ? { top5: top5 / count } : {}),
      count,
      ...(this.#own.any ? { own: this.#own.means } : {}),
    };
  }
}

/** A step's sums from what its program gives: a loss's statistics, or the mean loss of n samples. */
export function sumsOf(
  outputs: Readonly<Record<string, ArrayLike<number> | undefined>>,
  n: number,
): StepSums {
  const { statistics, loss } = outputs;
  if (!statistics) return { loss: (loss?.[0] ?? NaN) * n, weight: n, count: n, top1: 0, top5: 0 };
  const [sum = NaN, count = 0, top1 = 0, top5 = 0, weight = count] = Array.from(statistics);
  return { loss: sum, weight, count, top1, top5 };
}

/** The mean loss of each auxiliary output, without its weight. */
export function auxiliaryLosses(
  outputs: Readonly<Record<string, ArrayLike<number> | undefined>>,
  count: number,
): number[] {
  return Array.from({ length: count }, (_, i) => {
    const statistics = outputs[`statistics${i + 2}`];
    if (!statistics) return outputs[`loss${i + 2}`]?.[0] ?? NaN;
    const [sum = NaN, samples = 0, , , weight = samples] = Array.from(statistics);
    return sum / weight;
  });
}
