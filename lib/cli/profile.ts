import type { Command } from 'commander';
import { softmaxCrossEntropy } from '../losses/index.js';
import { sgd } from '../optimizers/index.js';
import type { Precision } from '../program/precision.js';
import type { Recompute } from '../program/recompute-options.js';
import { kernelRows, kernelTable } from '../reports/kernels.js';
import type { DeviceName } from '../runtime/device.js';
import { countKernels } from '../runtime/emulated.js';
import type { Trainer } from '../training/trainer.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { openDevice } from './device.js';
import { modelArgument, resolveModel, zooHelp } from './model.js';
import { count, shared } from './options.js';
import { UsageError } from './output.js';

interface ProfileOptions extends CommonOptions {
  kernels?: true;
  batch: number;
  device: DeviceName;
  precision: Precision;
  recompute?: Recompute;
}

export function addProfile(program: Command): void {
  addCommand(program, 'profile', 'what the kernels of a training step move')
    .argument('<model>', modelArgument)
    .addHelpText('after', zooHelp)
    .addOption(shared.device().default('cuda:emulated'))
    .option('--kernels', 'count launches and sectors by kernel (on cuda:emulated)')
    .option('--batch <n>', 'images a step', count, 2)
    .addOption(shared.precision('float32').default('float32'))
    .addOption(shared.recompute())
    .action(profile);
}

async function profile(model: string, options: ProfileOptions): Promise<void> {
  if (options.kernels === undefined)
    throw new UsageError('what is to be measured?', 'Give --kernels.');
  if (options.device !== 'cuda:emulated')
    throw new UsageError(
      `kernels are not counted on ${options.device}`,
      'Give --device cuda:emulated.',
    );
  const output = outputFor(options);
  const { name, network } = await resolveModel(model);
  await using device = await openDevice(options, output);
  await using trainer = await network.trainer({
    device,
    batch: options.batch,
    precision: options.precision,
    ...(options.recompute === undefined ? {} : { recompute: options.recompute }),
    loss: softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
  });
  // The first step records the graph; the second is like all that follow.
  await step(trainer, options.batch);
  const kernels = kernelRows(await countKernels(() => step(trainer, options.batch)));
  output.result({ model: name, batch: options.batch, kernels }, kernelTable(kernels));
}

/** One step on grey images of the first class: what is in them changes no kernel's traffic. */
async function step(trainer: Trainer, batch: number): Promise<void> {
  const shape = trainer.network.nodes[trainer.network.inputs[0]!]!.shape;
  const values = shape.reduce((product, extent) => product * extent, batch);
  await trainer.step({ x: new Uint8Array(values).fill(128), target: new Int32Array(batch) });
}
