import type { Command } from 'commander';
import { batches } from '../data/index.js';
import { softmaxCrossEntropy } from '../losses/index.js';
import type { Precision } from '../program/precision.js';
import type { DeviceName } from '../runtime/device.js';
import { checkFits } from '../training/evaluate.js';
import { MetricSums, type StepSums } from '../training/metrics.js';
import { load, type Prediction } from '../training/model.js';
import { endsOf } from '../training/ends.js';
import { TargetRules } from '../training/targets.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { openData } from './dataset.js';
import { openDevice } from './device.js';
import { count, requireData, shared } from './options.js';

interface EvaluateOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  batch: number;
  device: DeviceName;
  threads?: number;
  precision?: Precision;
}

export function addEvaluate(program: Command): void {
  requireData(
    addCommand(program, 'evaluate', 'loss and accuracy of a checkpoint on the test images'),
  )
    .argument('<checkpoint>', 'a file that train wrote')
    .addOption(shared.data())
    .addOption(shared.dataDir())
    .option('--batch <n>', 'images at a time', count, 100)
    .addOption(shared.device())
    .addOption(shared.precision('the checkpoint’s where the device runs it, else float32'))
    .addOption(shared.threads())
    .action(evaluate);
}

async function evaluate(checkpoint: string, options: EvaluateOptions): Promise<void> {
  const output = outputFor(options);
  const { batch } = options;
  await using device = await openDevice(options, output);
  await using model = await load(checkpoint, {
    device,
    batch,
    ...(options.precision === undefined ? {} : { precision: options.precision }),
  });
  const { test } = await openData(options.data, options.dataDir, model.network);
  const { input, output: scores } = endsOf(model.network);
  const rules = new TargetRules(softmaxCrossEntropy(), scores, 'float32');
  checkFits(test, input, rules);
  const sums = new MetricSums(rules.classes);
  for await (const { x, target, n, indices } of batches(test, { batch, shuffle: false })) {
    rules.check(target, n, indices);
    sums.add(score(await model.predict(x), target));
  }
  const { loss, accuracy, top5, count: images } = sums.metrics;
  output.result(
    { testAccuracy: accuracy, testLoss: loss, top5: top5 ?? null, images, device: device.name },
    `test accuracy ${(100 * accuracy).toFixed(2)} % of ${images} images, loss ${loss.toFixed(4)}`,
  );
}

/**
 * Cross-entropy of softmax, and how often the label is among the largest outputs. Of equal outputs the
 * first comes first; an output that is not a number counts as wrong.
 */
function score({ data, shape }: Prediction, labels: ArrayLike<number>): StepSums {
  const [n = 0, classes = 0] = shape;
  const sums: StepSums = { loss: 0, weight: n, count: n, top1: 0, top5: 0 };
  for (let image = 0; image < n; image++) {
    const logits = Array.from(data.subarray(image * classes, (image + 1) * classes));
    const label = labels[image]!;
    const own = logits[label]!;
    const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = logits.reduce((total, value) => total + Math.exp(value - largest), 0);
    sums.loss += Math.log(sum) + largest - own;
    let rank = 0;
    for (let i = 0; i < classes; i++) {
      if (!(logits[i]! < own) && i !== label && (logits[i] !== own || i < label)) rank++;
    }
    if (rank < 1) sums.top1++;
    if (rank < 5) sums.top5++;
  }
  return sums;
}
