import { Option, type Command } from 'commander';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Precision } from '../program/precision.js';
import type { DeviceName } from '../runtime/device.js';
import type { Metrics } from '../training/metrics.js';
import { load } from '../training/model.js';
import type { MetricFunction, MetricFunctions } from '../training/own-metrics.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { openData } from './dataset.js';
import { openDevice } from './device.js';
import { importModule } from './model.js';
import { count, requireData, shared } from './options.js';
import { UsageError } from './output.js';
import { lossNames, losses, type LossName } from './recipe.js';

interface EvaluateOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  batch: number;
  loss?: LossName;
  metrics?: string;
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
    .addOption(
      new Option(
        '--loss <name>',
        'what is measured (default: the loss that the checkpoint was trained with)',
      ).choices(lossNames),
    )
    .option('--metrics <module>', 'a module whose exported functions are measured too')
    .addOption(shared.device())
    .addOption(shared.precision('the checkpoint’s where the device runs it, else float32'))
    .addOption(shared.threads())
    .addHelpText(
      'after',
      `
A metric is called with every batch's { output, shape, target, n } and returns the mean over its
images, or { sum, count }: export const first = ({ target, n }) => ...`,
    )
    .action(evaluate);
}

async function evaluate(checkpoint: string, options: EvaluateOptions): Promise<void> {
  const output = outputFor(options);
  const metrics = options.metrics === undefined ? undefined : await importMetrics(options.metrics);
  await using device = await openDevice(options, output);
  await using model = await load(checkpoint, {
    ...{ device, batch: options.batch },
    ...(options.precision === undefined ? {} : { precision: options.precision }),
    ...(options.loss === undefined ? {} : { loss: losses[options.loss]() }),
  });
  const { test } = await openData(options.data, options.dataDir, model.network);
  const measured = await model.evaluate(test, metrics === undefined ? {} : { metrics });
  const loss = model.loss.kind;
  output.result(
    {
      testAccuracy: Number.isNaN(measured.accuracy) ? null : measured.accuracy,
      testLoss: measured.loss,
      ...{ loss, top5: measured.top5 ?? null, images: measured.count },
      ...(measured.own === undefined ? {} : { metrics: measured.own }),
      device: device.name,
    },
    describe(measured, loss),
  );
}

function describe({ accuracy, loss, count: images, own = {} }: Metrics, kind: string): string {
  const figures = [`loss ${loss.toFixed(4)} (${kind})`];
  for (const [name, value] of Object.entries(own)) figures.push(`${name} ${value.toPrecision(4)}`);
  const of = `of ${images} images`;
  const first = Number.isNaN(accuracy) ? of : `accuracy ${(100 * accuracy).toFixed(2)} % ${of}`;
  return `test ${first}, ${figures.join(', ')}`;
}

/** The functions that a module exports, by name. */
async function importMetrics(name: string): Promise<MetricFunctions> {
  const path = resolve(name);
  if (!existsSync(path))
    throw new UsageError(`there is no file ${path}`, 'Give a module that exports functions.');
  const remedy =
    'The module is plain JavaScript: export const mine = ({ output, target, n }) => ...';
  const exported = Object.entries(await importModule(path, remedy));
  const functions = exported.filter(
    (entry): entry is [string, MetricFunction] => typeof entry[1] === 'function',
  );
  if (functions.length === 0) throw new UsageError(`${path} exports no function`, remedy);
  return Object.fromEntries(functions);
}
