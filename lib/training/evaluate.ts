import { BatchReader, usualPrefetch, type Batch } from '../data/batches.js';
import { checkDataset, targetOf, type Dataset } from '../data/dataset.js';
import { CancelledError, StriateError } from '../errors.js';
import { elementsOf, printShape, sameShape, type Shape } from '../graph/shape.js';
import type { Executable } from '../runtime/executable.js';
import { MetricSums, sumsOf, type Metrics } from './metrics.js';
import { checkMetrics, type MeasuredBatch, type MetricFunctions } from './own-metrics.js';
import type { TargetRules } from './targets.js';

export interface EvaluateOptions {
  signal?: AbortSignal;
  /** Metrics of your own by name, called with every batch's outputs and targets; given back as `own`. */
  metrics?: MetricFunctions;
}

/** Whether a program must give the network's output as well. @throws StriateError `INVALID_ARGUMENT` */
export function needsOutputs(metrics: MetricFunctions | undefined): boolean {
  checkMetrics(metrics);
  return metrics !== undefined && Object.keys(metrics).length > 0;
}

/** One pass over a set, in its own order; the next batch is staged while one is measured. */
export async function evaluateSet(
  executable: Executable,
  set: Dataset,
  rules: TargetRules,
  { signal, metrics }: EvaluateOptions,
): Promise<Metrics> {
  const { batch: size } = executable.program;
  const reader = new BatchReader(
    set,
    {
      batch: size,
      shuffle: false,
      prefetch: usualPrefetch(set),
      ...(signal === undefined ? {} : { signal }),
    },
    true,
  );
  const sums = new MetricSums(rules.classes, metrics);
  const withOutputs = needsOutputs(metrics);
  const fetch = async (slot: 0 | 1): Promise<Batch | undefined> => {
    const batch = await reader.read();
    if (!batch) return undefined;
    const target = rules.check(batch.target, batch.n, batch.indices);
    executable.stage(slot, { images: batch.x, target });
    return batch;
  };
  try {
    let slot: 0 | 1 = 0;
    let batch = await fetch(slot);
    while (batch) {
      const running = executable.run({ n: batch.n, slot });
      // The reader fills its arrays again while this batch runs.
      const target = withOutputs ? batch.target.slice() : batch.target;
      slot = slot === 0 ? 1 : 0;
      const coming = fetch(slot);
      coming.catch(() => undefined);
      const { outputs } = await running;
      const { n } = batch;
      sums.add(
        sumsOf(outputs, n),
        withOutputs ? measured(executable, outputs, target, n) : undefined,
      );
      if (signal?.aborted)
        throw new CancelledError('the evaluation was aborted', { cause: signal.reason });
      batch = await coming;
    }
    return sums.metrics;
  } finally {
    await reader.close();
  }
}

/** What own metrics see of a run whose program gives `logits`. */
export function measured(
  { program }: Executable,
  outputs: Readonly<Record<string, unknown>>,
  target: MeasuredBatch['target'],
  n: number,
): MeasuredBatch {
  const { shape } = program.outputs.find(({ name }) => name === 'logits')!;
  return { output: outputs.logits as MeasuredBatch['output'], shape, target, n };
}

/** @throws StriateError `INVALID_ARGUMENT` for images or targets that the network does not take. */
export function checkFits(set: Dataset, input: Shape, rules: TargetRules): void {
  checkDataset(set);
  if (!sameShape(set.shape, input))
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the data set has images of ${printShape(set.shape)}, the network takes ${printShape(input)}`,
      { remedy: 'Use images of the network’s size.' },
    );
  const given = targetOf(set);
  const wanted = rules.kind;
  if (given.dtype !== wanted.dtype || elementsOf(given.shape) !== elementsOf(wanted.shape))
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the data set gives targets of ${given.dtype} [${given.shape.join(', ')}], the loss takes ${wanted.dtype} [${wanted.shape.join(', ')}]`,
      { remedy: 'Use a data set with the targets of the loss.' },
    );
}
