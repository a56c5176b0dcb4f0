import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { checkNames } from '../graph/options.js';
import { elementsOf, sameShape, type Shape } from '../graph/shape.js';
import { customLoss, type LossFunction } from '../losses/custom.js';
import type { Loss } from '../losses/loss.js';
import { checkAverage, type AverageOptions } from '../optimizers/average.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import {
  computeTypeOf,
  requirePrecision,
  requireRuns,
  type ComputeType,
  type Precision,
} from '../program/precision.js';
import type { Preprocess } from '../program/preprocess.js';
import type { Program } from '../program/program.js';
import { checkRecompute, isBudget, type Recompute } from '../program/recompute-options.js';
import { Device, device as openDevice, type DeviceName } from '../runtime/device.js';
import { readCheckpoint, type Checkpoint } from './checkpoint.js';
import { initialValues } from './initial.js';
import { checkLossScale, LossScale, type LossScaleOptions } from './loss-scale.js';
import { withBatch } from './auto-batch.js';
import { likelyType, trainingProgram, type TrainingSettings } from './programs.js';
import { Slabs, type Floats } from './slabs.js';
import { convertData, type HostTensor } from './weights.js';

export interface TrainerOptions {
  /** Default `'auto'`. A device that is given stays open when the trainer closes. */
  device?: Device | DeviceName;
  /** Threads of a device that the trainer opens; default: one a core. */
  threads?: number;
  /** Images a step; default 64. `'auto'`: the largest number up to 1024 that the device has room for. */
  batch?: number | 'auto';
  /**
   * Images that pass through the network at once; default `batch`. Fewer take less memory: a step then
   * adds up the gradients of several passes, and is the same as that of the whole batch. Batch
   * normalisation sees a micro-batch at a time, and its running statistics follow the last one.
   */
  microBatch?: number;
  /** Of the start, the data's order and dropout; default 0, or the checkpoint's. */
  seed?: number;
  /** `'external'`: `forward`, `backward` and `update` are called one by one. */
  loss: Loss | LossFunction | 'external';
  optimizer: Optimizer;
  /** Keep a moving average of the parameters: `averaged: true` measures, predicts and loads with it. */
  average?: AverageOptions;
  /**
   * Default `'float32'`, or the checkpoint's. `'float64'` is for the CPU device; `'tf32'`, `'bfloat16'`
   * and `'float16'` are for CUDA devices. Parameters are kept in float32 with all of these.
   */
  precision?: Precision;
  /**
   * With `precision: 'float16'`: what the loss is multiplied by, so that small gradients do not become
   * zero. A number stays as it is; otherwise the scale moves: a step whose gradients overflow is skipped
   * and makes it smaller, many steps without make it larger. Default `{ initial: 65536, growth: 2,
   * backoff: 0.5, interval: 2000 }`, or the checkpoint's.
   */
  lossScale?: number | LossScaleOptions;
  /** `(x scale - mean) / std` on the device. Default: bytes are divided by 255, numbers left alone. */
  preprocess?: Preprocess;
  /** Where the parameters start; they must fit the network by name and shape. */
  weights?: ReadonlyMap<string, HostTensor>;
  /** Names of parameters and weights that need not fit. */
  missing?: readonly RegExp[];
  /** Parameters and running statistics that stay as they are. */
  freeze?: readonly RegExp[];
  /** A checkpoint from which everything goes on: parameters, optimizer, step, the data's order. */
  resume?: string;
  /** What an own loss compares with; default: float32 numbers of the output's shape. */
  target?: { shape?: Shape; dtype?: 'float32' };
  /**
   * What the backward pass makes again rather than finds kept; default `'light'`. All give the same bits.
   */
  recompute?: Recompute;
  /** Names of the classes; default the data set's. */
  classes?: readonly string[];
}

/** All that a trainer starts with. */
export interface TrainerParts {
  network: Network;
  device: Device;
  ownsDevice: boolean;
  settings: TrainingSettings;
  seed: number;
  classes: readonly string[] | undefined;
  layout: Program;
  slabs: Slabs;
  checkpoint: Checkpoint | undefined;
  /** Undefined for precisions that need none. */
  lossScale: LossScale | undefined;
}

/** Checks the options, compiles, opens the device, and fills its memory. */
export async function setUp(network: Network, options: TrainerOptions): Promise<TrainerParts> {
  checkOptions(network, options);
  const checkpoint =
    options.resume === undefined ? undefined : await readCheckpoint(options.resume);
  const precision = options.precision ?? checkpoint?.header.precision ?? 'float32';
  checkLossScale(options.lossScale, precision);
  const dtype = computeTypeOf(precision);
  const ownsDevice = typeof options.device !== 'object';
  const device = await deviceFor({ ...options, precision });
  let slabs: Slabs | undefined;
  try {
    requireRuns(precision, device.target);
    const settings = withBatch(network, settingsFor(options, checkpoint, precision, device), {
      device,
      isAuto: options.batch === 'auto',
      least: leastBatch(network),
      type: likelyType(endsOf(network).input),
    });
    const seed = options.seed ?? checkpoint?.header.seed ?? 0;
    const layout = trainingProgram(network, settings, likelyType(endsOf(network).input));
    if (checkpoint) checkResumed(checkpoint, network, layout, settings, seed);
    const { weights, missing } = options;
    const values = initialValues(network, seed, dtype, {
      weights: checkpoint?.weights ?? weights,
      missing: checkpoint ? [] : missing,
    });
    slabs = new Slabs(device, layout);
    await slabs.write(values);
    for (const [slot, tensors] of checkpoint?.slots ?? [])
      await slabs.writeSlot(slot, floatsOf(tensors, dtype));
    const classes = options.classes ?? checkpoint?.header.classes ?? undefined;
    const lossScale = LossScale.of(precision, options.lossScale, checkpoint?.header.lossScale);
    const made = { network, device, ownsDevice, settings, seed, classes, layout, slabs };
    return { ...made, checkpoint, lossScale };
  } catch (error) {
    slabs?.dispose();
    if (ownsDevice) await device.close();
    throw error;
  }
}

/** The device of the options; `'auto'` is one that computes in the given precision. */
export async function deviceFor(options: {
  device?: Device | DeviceName;
  threads?: number;
  precision: Precision;
}): Promise<Device> {
  const { device = 'auto', threads, precision } = options;
  if (device instanceof Device) return device;
  if (typeof device !== 'string')
    throw new StriateError('INVALID_ARGUMENT', 'device is neither a device nor the name of one', {
      remedy: "Give 'auto', 'cpu', 'cuda', or what device() returns.",
    });
  return openDevice(device, { ...(threads === undefined ? {} : { threads }), precision });
}

/** The shape of the one input and of the one output. @throws StriateError `INVALID_ARGUMENT` */
export function endsOf(network: Network): { input: Shape; output: Shape } {
  const [input, ...moreInputs] = network.inputs;
  const [output, ...moreOutputs] = network.outputs;
  const from = network.nodes.find(({ id }) => id === input);
  const to = network.nodes.find(({ id }) => id === output);
  if (!from || !to || moreInputs.length > 0 || moreOutputs.length > 0)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the network has ${network.inputs.length} inputs and ${network.outputs.length} outputs`,
      { remedy: 'Train and run networks with one of each.' },
    );
  return { input: from.shape, output: to.shape };
}

/**
 * The smallest batch that can be trained: batch normalisation of vectors has one value a channel and
 * image, and needs two of them.
 */
export function leastBatch(network: Network): number {
  const single = network.nodes.some(
    ({ layer, shape }) => layer?.kind === 'batchNorm' && elementsOf(shape) === shape.at(-1),
  );
  return single ? 2 : 1;
}

function settingsFor(
  options: TrainerOptions,
  checkpoint: Checkpoint | undefined,
  precision: Precision,
  { target: kind }: Device,
): TrainingSettings {
  const { loss, target, optimizer, freeze = [], average } = options;
  const batch = batchOf(options);
  const { microBatch = batch } = options;
  return {
    loss: typeof loss === 'function' ? customLoss(loss, target) : loss,
    optimizer,
    batch: Math.min(batch, microBatch),
    accumulated: microBatch < batch ? batch : undefined,
    freeze,
    recompute: options.recompute ?? 'light',
    average,
    precision,
    target: kind,
    preprocess: options.preprocess ?? checkpoint?.header.preprocess ?? undefined,
  };
}

/** Where the batch is chosen later, one to begin with. */
function batchOf({ batch = 64 }: TrainerOptions): number {
  return batch === 'auto' ? 32 : batch;
}

const optionNames = [
  ...['device', 'threads', 'batch', 'seed', 'loss', 'optimizer', 'precision', 'preprocess'],
  ...['weights', 'missing', 'freeze', 'resume', 'target', 'classes', 'lossScale'],
  ...['microBatch', 'average', 'recompute'],
];

function checkOptions(network: Network, options: TrainerOptions): void {
  endsOf(network);
  checkNames('trainer', optionNames, options);
  const { loss, optimizer, seed = 0, precision = 'float32', resume, weights } = options;
  const batch = batchOf(options);
  const refuse = (message: string, remedy: string): never => {
    throw new StriateError('INVALID_ARGUMENT', message, { remedy });
  };
  if (typeof loss !== 'function' && typeof loss !== 'object' && loss !== 'external')
    refuse('a trainer needs a loss', 'Give softmaxCrossEntropy(), a function, or "external".');
  if (typeof optimizer !== 'object' || typeof optimizer.emit !== 'function')
    refuse('a trainer needs an optimizer', 'Give one, for example sgd({ learningRate: 0.01 }).');
  if (!Number.isSafeInteger(seed) || seed < 0)
    refuse(`seed is ${seed}`, 'Give a whole number from 0 to 2^53 - 1.');
  if (!Number.isSafeInteger(batch) || batch < 1)
    refuse(`batch is ${batch}`, 'Give a whole number above 0.');
  const { microBatch = batch, average } = options;
  if (!Number.isSafeInteger(microBatch) || microBatch < 1)
    refuse(`microBatch is ${microBatch}`, 'Give a whole number above 0, no larger than batch.');
  if (microBatch < batch && (typeof loss !== 'object' || loss.count === undefined))
    refuse(
      'this loss cannot be trained in micro-batches: it does not tell what it divides by',
      'Leave microBatch out, or use a loss that counts, such as softmaxCrossEntropy().',
    );
  if (average !== undefined) checkAverage(average);
  checkRecompute(options.recompute);
  if (options.batch === 'auto' && (options.microBatch !== undefined || isBudget(options.recompute)))
    refuse(
      "batch is 'auto' beside microBatch or a budget",
      'Leave these out; what a device may hold is its memoryLimit.',
    );
  requirePrecision(precision);
  if (resume !== undefined && weights !== undefined)
    refuse('both weights and resume are given', 'A checkpoint brings its weights: leave one out.');
  if (weights !== undefined && !(weights instanceof Map))
    refuse('weights is no Map', 'Give what readWeights() or weights() returns.');
  for (const name of ['missing', 'freeze'] as const) {
    const list: unknown = options[name] ?? [];
    if (!Array.isArray(list) || !list.every((pattern) => pattern instanceof RegExp))
      refuse(`${name} is no list of patterns`, `Give regular expressions: ${name}: [/^conv1\\./].`);
  }
  const least = leastBatch(network);
  const together = Math.min(batch, microBatch);
  if (together < least)
    refuse(
      `a batch of ${together} leaves batch normalisation one value a channel`,
      `Use a batch of ${least} or more.`,
    );
}

/** A resumed run goes on exactly: everything that shapes it must be as it was. */
function checkResumed(
  { header, slots }: Checkpoint,
  network: Network,
  layout: Program,
  settings: TrainingSettings,
  seed: number,
): void {
  const refuse = (message: string, remedy: string): never => {
    throw new StriateError('INVALID_ARGUMENT', `cannot resume: ${message}`, { remedy });
  };
  if (JSON.stringify(header.network) !== JSON.stringify(network.toJSON()))
    refuse(
      'the checkpoint holds another network',
      'Use the network that was saved, or start from its weights: weights: await readWeights(path).',
    );
  if (header.precision !== settings.precision)
    refuse(`the checkpoint is in ${header.precision}`, 'Leave the option precision out.');
  if (header.seed !== seed) refuse(`the seed was ${header.seed}`, 'Leave the option seed out.');
  const trainable = layout.parameters.filter((parameter) => parameter.trainable);
  const fits = layout.slots.every((slot) =>
    trainable.every(({ name, shape }) => {
      const saved = slots.get(slot)?.get(name);
      return saved !== undefined && sameShape(saved.shape, shape);
    }),
  );
  const counts = [...slots.values()].every(({ size }) => size === trainable.length);
  if (!fits || !counts || slots.size !== layout.slots.length)
    refuse(
      'the optimizer’s state in the checkpoint is that of another optimizer or other frozen layers',
      'Use the optimizer and freeze of the saved run, or start from its weights.',
    );
}

function floatsOf(
  tensors: ReadonlyMap<string, HostTensor>,
  dtype: ComputeType,
): Map<string, Floats> {
  return new Map([...tensors].map(([name, { data }]) => [name, convertData(name, data, dtype)]));
}
