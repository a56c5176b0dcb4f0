import { Option, type Command } from 'commander';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CancelledError, StriateError } from '../errors.js';
import type { Precision } from '../program/precision.js';
import type { Recompute } from '../program/recompute-options.js';
import type { DeviceName } from '../runtime/device.js';
import type { Epoch } from '../training/fit.js';
import type { LossScaleOptions } from '../training/loss-scale.js';
import type { Trainer } from '../training/trainer.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { openData } from './dataset.js';
import { openDevice } from './device.js';
import { Interruption } from './interruption.js';
import { modelArgument, resolveModel, zooHelp } from './model.js';
import { amount, count, lossScale, positive, requireData, shared, whole } from './options.js';
import type { Output } from './output.js';
import {
  lossNames,
  optimizerNames,
  recipeOf,
  scheduleNames,
  trainerOptions,
  type LossName,
  type OptimizerName,
  type RunLength,
  type ScheduleName,
} from './recipe.js';

interface TrainOptions extends CommonOptions {
  data: string;
  dataDir?: string;
  epochs?: number;
  maxSteps?: number;
  batch?: number;
  lr?: number;
  schedule?: ScheduleName;
  loss?: LossName;
  optimizer?: OptimizerName;
  momentum?: number;
  clipNorm?: number;
  microBatch?: number;
  recompute?: Recompute;
  weightDecay?: number;
  device: DeviceName;
  seed?: number;
  precision?: Precision;
  lossScale?: number | LossScaleOptions;
  threads?: number;
  resume?: string;
  out?: string;
}

export function addTrain(program: Command): void {
  requireData(addCommand(program, 'train', 'train a network and save it'))
    .argument('<model>', modelArgument)
    .addHelpText('after', zooHelp)
    .addOption(shared.data())
    .addOption(shared.dataDir())
    .option('--epochs <n>', 'epochs to train (default: 2, or what --max-steps asks for)', whole)
    .option('--max-steps <n>', 'stop after this many steps', whole)
    .option('--batch <n>', 'images a step (default: the recipe’s)', count)
    .option('--lr <rate>', 'learning rate at the start', amount)
    .addOption(
      new Option('--schedule <name>', 'course of the learning rate').choices(scheduleNames),
    )
    .addOption(
      new Option('--loss <name>', 'what is made smaller (default: softmax)').choices(lossNames),
    )
    .addOption(
      new Option(
        '--optimizer <name>',
        'how parameters follow their gradients (default: sgd)',
      ).choices(optimizerNames),
    )
    .option('--momentum <m>', 'momentum, of sgd, rmsprop and lars', amount)
    .option('--weight-decay <d>', 'weight decay', amount)
    .option('--clip-norm <n>', 'scale the gradients down to this norm, all together', positive)
    .option(
      '--micro-batch <n>',
      'images that pass at once, to save memory; the step is that of the whole batch',
      count,
    )
    .addOption(shared.recompute())
    .addOption(shared.device())
    .option(
      '--seed <n>',
      'seed of the parameters, the order of the data and dropout (default: 0, or the checkpoint’s)',
      whole,
    )
    .addOption(shared.precision('float32, or the checkpoint’s'))
    .option(
      '--loss-scale <scale>',
      'with --precision float16: a number that stays, or initial=65536,growth=2,backoff=0.5,interval=2000',
      lossScale,
    )
    .addOption(shared.threads())
    .option('--resume <checkpoint>', 'go on from a checkpoint')
    .option('--out <file>', 'where to save (default: <model>.safetensors)')
    .addHelpText(
      'after',
      `
Without options lenet is trained by Caffe's recipe (batch 64, rate 0.01 with inv 1e-4 / 0.75,
momentum 0.9, weight decay 5e-4). Another optimizer brings its own rate, constant, and its own
decay. The file given by --out is replaced after every epoch.
Ctrl-C ends the step under way, saves, and exits with 130; a second Ctrl-C exits at once.`,
    )
    .action(train);
}

/** What `--json` prints. `null` where nothing was measured. */
interface TrainReport {
  testAccuracy: number | null;
  testLoss: number | null;
  trainLoss: number | null;
  imagesPerSecond: number | null;
  device: string;
  seed: number;
  steps: number;
  epochs: number;
  parametersSha256: string;
  checkpoint: string;
  interrupted: boolean;
}

async function train(model: string, options: TrainOptions): Promise<void> {
  const output = outputFor(options);
  using interruption = new Interruption((name) =>
    output.note(`${name}: ending the step, then saving; once more to exit at once`),
  );
  const resolved = await resolveModel(model);
  const data = await openData(options.data, options.dataDir, resolved.network);
  const checkpoint = options.out ?? `${resolved.name}.safetensors`;
  await checkFolder(checkpoint);
  const { batch, lr, schedule, loss, optimizer, momentum, weightDecay, clipNorm, microBatch } =
    options;
  const recipe = recipeOf(resolved, {
    ...{
      batch,
      learningRate: lr,
      schedule,
      loss,
      optimizer,
      momentum,
      weightDecay,
      clipNorm,
      microBatch,
    },
  });
  const run = lengthOf(options, Math.ceil(data.train.length / recipe.batch));
  await using device = await openDevice(options, output);
  await using trainer = await resolved.network.trainer({
    ...trainerOptions(recipe, run),
    device,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.precision === undefined ? {} : { precision: options.precision }),
    ...(options.lossScale === undefined ? {} : { lossScale: options.lossScale }),
    ...(options.recompute === undefined ? {} : { recompute: options.recompute }),
    ...(options.resume === undefined ? {} : { resume: options.resume }),
  });

  const last = await fit(trainer, output, {
    data,
    run,
    checkpoint,
    signal: interruption.signal,
  });
  await trainer.save(checkpoint);
  // A run with nothing left to do is measured all the same.
  const idle = last === undefined && interruption.exitCode === undefined;
  const measured = idle ? await trainer.evaluate(data.test) : last?.validation;
  const report: TrainReport = {
    testAccuracy: measured?.accuracy ?? null,
    testLoss: measured?.loss ?? null,
    trainLoss: last?.train.loss ?? null,
    imagesPerSecond: last?.imagesPerSecond ?? null,
    device: device.name,
    seed: trainer.seed,
    steps: trainer.steps,
    epochs: trainer.epochs,
    parametersSha256: await trainer.parametersSha256(),
    checkpoint,
    interrupted: interruption.exitCode !== undefined,
  };
  output.result(report, describe(report));
  if (interruption.exitCode !== undefined) process.exitCode = interruption.exitCode;
}

/** Says before the training, not after an epoch of it, that the checkpoint has no place. */
async function checkFolder(path: string): Promise<void> {
  const folder = dirname(resolve(path));
  try {
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new StriateError(
      'INVALID_ARGUMENT',
      `cannot write ${path}: ${folder} is no folder to write in`,
      {
        remedy: 'Name a file in an existing folder: --out.',
        cause,
      },
    );
  }
}

/** `--max-steps` alone trains as many epochs as these steps take. */
function lengthOf({ epochs, maxSteps }: TrainOptions, stepsPerEpoch: number): RunLength {
  const asked = maxSteps === undefined ? 2 : Math.ceil(maxSteps / stepsPerEpoch);
  return { epochs: epochs ?? asked, maxSteps };
}

interface Fitting {
  data: Awaited<ReturnType<typeof openData>>;
  run: RunLength;
  checkpoint: string;
  signal: AbortSignal;
}

/** Trains, saving after every epoch; returns the last complete epoch. An interruption ends it early. */
async function fit(
  trainer: Trainer,
  output: Output,
  { data, run, checkpoint, signal }: Fitting,
): Promise<Epoch | undefined> {
  let last: Epoch | undefined;
  try {
    const training = trainer.fit(data.train, {
      epochs: run.epochs,
      ...(run.maxSteps === undefined ? {} : { maxSteps: run.maxSteps }),
      validation: data.test,
      signal,
      progress: true,
    });
    for await (const epoch of training) {
      last = epoch;
      await trainer.save(checkpoint);
    }
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    output.note(error.message);
  }
  return last;
}

function describe(report: TrainReport): string {
  const lines = [
    ...(report.testAccuracy === null
      ? []
      : [`test accuracy ${(100 * report.testAccuracy).toFixed(2)} %`]),
    ...(report.trainLoss === null ? [] : [`training loss ${report.trainLoss.toFixed(4)}`]),
    `${report.steps} steps on ${report.device}, seed ${report.seed}`,
    `parameters sha256 ${report.parametersSha256}`,
    `saved to ${report.checkpoint}`,
  ];
  return lines.join('\n');
}
