import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Network } from '../graph/network.js';
import { softmaxCrossEntropy } from '../losses/index.js';
import { sgd, type Optimizer } from '../optimizers/index.js';
import type { TargetDevice } from '../program/op.js';
import { parseBytes, type Plan } from '../program/plan.js';
import { printPlan, type PlanChange, type PlanFit } from '../reports/plan.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { modelArgument, resolveModel, zooHelp } from './model.js';
import { count, shared } from './options.js';
import { UsageError } from './output.js';
import { optimizers } from './recipe.js';
import type { Recompute } from '../program/recompute-options.js';

/** Those of `train`, by what they remember for each parameter; `none` plans inference. */
const planned = {
  ...optimizers,
  sgd: { make: () => sgd() },
  momentum: { make: () => sgd({ momentum: 0.9 }) },
  none: { make: () => undefined },
} satisfies Record<string, { make: () => Optimizer | undefined }>;
type PlannedOptimizer = keyof typeof planned;

interface PlanOptions extends CommonOptions {
  batch: number;
  microBatch?: number;
  optimizer: PlannedOptimizer;
  device: TargetDevice;
  precision: 'float32' | 'float64';
  deviceMemory?: number;
  recompute?: Recompute;
  threads?: number;
}

export function addPlan(program: Command): void {
  addCommand(program, 'plan', 'the memory that a network takes, to the byte, without a device')
    .argument('<model>', modelArgument)
    .addHelpText('after', zooHelp)
    .option('--batch <n>', 'images a step', count, 64)
    .option('--micro-batch <n>', 'images that pass at once in training (default: the batch)', count)
    .addOption(
      new Option('--optimizer <name>', 'what the parameters follow; none plans inference')
        .choices(Object.keys(planned))
        .default('momentum'),
    )
    .addOption(
      new Option('--device <kind>', 'the kind of device: it decides how much workspace ops get')
        .choices(['cpu', 'cuda'])
        .default('cpu'),
    )
    .addOption(
      new Option('--precision <type>', 'of parameters and volumes')
        .choices(['float32', 'float64'])
        .default('float32'),
    )
    .option('--threads <n>', 'counts what so many threads of a CPU device need', count)
    .addOption(shared.recompute())
    .option('--device-memory <amount>', 'says whether it fits: 24GB, 16GiB, 800MB', amountOfMemory)
    .action(plan);
}

function amountOfMemory(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('It is an amount such as 24GB, 16GiB or 800MB.');
  }
}

async function plan(model: string, options: PlanOptions): Promise<void> {
  if (options.microBatch !== undefined && options.optimizer === 'none')
    throw new UsageError(
      '--micro-batch is for training, and --optimizer none plans inference',
      'Leave one of them out; inference passes --batch images at once.',
    );
  const { name, network } = await resolveModel(model);
  const made = planFor(network, options, options.optimizer);
  const fit = options.deviceMemory === undefined ? undefined : fitOf(network, options, made);
  outputFor(options).result({ model: name, ...made.toJSON(), ...fit }, printPlan(name, made, fit));
}

function planFor(network: Network, options: PlanOptions, optimizer: PlannedOptimizer): Plan {
  const { batch, microBatch, device, precision, recompute, threads } = options;
  const rule = planned[optimizer].make();
  return network.plan({
    batch,
    device,
    precision,
    ...(microBatch === undefined ? {} : { microBatch }),
    ...(rule === undefined ? {} : { optimizer: rule, loss: softmaxCrossEntropy() }),
    ...(recompute === undefined ? {} : { recompute }),
    ...(threads === undefined ? {} : { threads }),
  });
}

/** Whether one way of recomputation saves more than another. */
function isMore(how: 'auto' | 'light', than: Recompute = 'light'): boolean {
  return than === 'none' || (than === 'light' && how === 'auto');
}

function fitOf(network: Network, options: PlanOptions, made: Plan): PlanFit {
  const memory = options.deviceMemory!;
  const without = (change: string, changed: Partial<PlanOptions>): PlanChange => {
    const all = { ...options, ...changed };
    const other = planFor(network, all, all.optimizer);
    return { change, totalBytes: other.totalBytes, largestBatch: other.largestBatch(memory) };
  };
  const half = ({ batch, microBatch }: Plan): PlanChange => {
    const less = Math.floor(microBatch / 2);
    return microBatch < batch
      ? without(`--micro-batch ${less}`, { microBatch: less })
      : without(`--batch ${less}`, { batch: less });
  };
  const again = (['auto', 'light'] as const).filter(
    (how) => options.optimizer !== 'none' && isMore(how, options.recompute),
  );
  const changes = [
    ...again.map((recompute) => without(`--recompute ${recompute}`, { recompute })),
    ...(options.precision === 'float64'
      ? [without('--precision float32', { precision: 'float32' })]
      : []),
    ...(options.optimizer === 'sgd' || options.optimizer === 'none'
      ? []
      : [without('--optimizer sgd, without momentum', { optimizer: 'sgd' })]),
    ...(made.microBatch > 1 ? [half(made)] : []),
  ];
  return {
    memory,
    fits: made.totalBytes <= memory,
    largestBatch: made.largestBatch(memory),
    changes: changes
      .filter(({ totalBytes }) => totalBytes < made.totalBytes)
      .sort((a, b) => a.totalBytes - b.totalBytes),
  };
}
