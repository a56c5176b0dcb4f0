import { checkRecompute, isBudget, type Recompute } from '../program/recompute-options.js';
import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { checkNames } from '../graph/options.js';
import type { Shape } from '../graph/shape.js';
import { customLoss, type LossFunction } from '../losses/custom.js';
import type { Loss } from '../losses/loss.js';
import { checkAverage, type AverageOptions } from '../optimizers/average.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { requirePrecision, type Precision } from '../program/precision.js';
import type { Preprocess } from '../program/preprocess.js';
import type { Device, DeviceName } from '../runtime/device.js';
import { endsOf, leastBatch } from './ends.js';
import type { LossScaleOptions } from './loss-scale.js';
import type { HostTensor } from './weights.js';

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
   * normalisation sees a micro-batch at a time, and each moves the running statistics, one after the
   * other: so it is where gradients are accumulated in PyTorch. A loss written with values is one mean,
   * or one sum, over the images.
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

/** Images a step; where they are chosen later, a number to begin with. */
export function firstBatch({ batch = 64 }: TrainerOptions): number {
  return batch === 'auto' ? 32 : batch;
}

const optionNames = [
  ...['device', 'threads', 'batch', 'seed', 'loss', 'optimizer', 'precision', 'preprocess'],
  ...['weights', 'missing', 'freeze', 'resume', 'target', 'classes', 'lossScale'],
  ...['microBatch', 'average', 'recompute'],
];

/** @throws StriateError `INVALID_ARGUMENT` */
export function checkOptions(network: Network, options: TrainerOptions): void {
  endsOf(network);
  checkNames('trainer', optionNames, options);
  const { loss, optimizer, seed = 0, precision = 'float32', resume, weights } = options;
  const batch = firstBatch(options);
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
  if (microBatch < batch) {
    const own = typeof loss === 'function' ? customLoss(loss, options.target) : loss;
    if (own === 'external' || own.divisor?.(endsOf(network).output) === undefined)
      refuse(
        'this loss cannot be trained in micro-batches: the losses of parts do not make up that of the batch',
        'Leave microBatch out, or use a loss that is one mean or one sum over the images.',
      );
  }
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
