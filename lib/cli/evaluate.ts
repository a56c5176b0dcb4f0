import type { Command } from 'commander';
import { load } from '../training/model.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { openData } from './dataset.js';
import { openDevice } from './device.js';
import { count, shared } from './options.js';

interface EvaluateOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  batch: number;
  device: string;
  threads?: number;
}

export function addEvaluate(program: Command): void {
  addCommand(program, 'evaluate', 'accuracy of a checkpoint on the test images')
    .argument('<checkpoint>', 'a file that train wrote')
    .addOption(shared.data())
    .addOption(shared.dataDir())
    .option('--batch <n>', 'images at a time', count, 100)
    .addOption(shared.device())
    .addOption(shared.threads())
    .action(evaluate);
}

async function evaluate(checkpoint: string, options: EvaluateOptions): Promise<void> {
  const output = outputFor(options);
  const { test } = await openData(options.data, options.dataDir);
  await using device = await openDevice(options, output);
  await using model = await load(checkpoint, { device, batch: options.batch });
  const { loss, accuracy, top5, count: images } = await model.evaluate(test);
  output.result(
    { testAccuracy: accuracy, testLoss: loss, top5: top5 ?? null, images, device: device.name },
    `test accuracy ${(100 * accuracy).toFixed(2)} % of ${images} images, loss ${loss.toFixed(4)}`,
  );
}
