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
}

/** What one step measured: sums, so that steps of different sizes add up. */
export interface StepSums {
  loss: number;
  count: number;
  top1: number;
  top5: number;
}

/** Adds up steps. */
export class MetricSums {
  private sums: StepSums = { loss: 0, count: 0, top1: 0, top5: 0 };

  /** `classes`: undefined for losses that do not classify. */
  constructor(private readonly classes: number | undefined) {}

  add(step: StepSums): void {
    this.sums.loss += step.loss;
    this.sums.count += step.count;
    this.sums.top1 += step.top1;
    this.sums.top5 += step.top5;
  }

  get metrics(): Metrics {
    const { loss, count, top1, top5 } = this.sums;
    return {
      loss: loss / count,
      accuracy: this.classes === undefined ? NaN : top1 / count,
      ...(this.classes !== undefined && this.classes > 5 ? { top5: top5 / count } : {}),
      count,
    };
  }
}
