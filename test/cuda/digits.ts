// Small training runs that the CPU device and the emulated CUDA device both make.
import { fromArrays, type Dataset } from '../../lib/data/index.js';
import type { Network } from '../../lib/graph/network.js';
import { network } from '../../lib/graph/network.js';
import { input, type Value } from '../../lib/graph/value.js';
import {
  add,
  batchNorm,
  conv2d,
  dense,
  dropout,
  globalAvgPool2d,
  relu,
} from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import type { Device } from '../../lib/runtime/device.js';
import type { Trainer, TrainerOptions } from '../../lib/training/trainer.js';
import { randomNumbers } from '../training/support.js';

export interface DigitBatch {
  x: Uint8Array;
  target: Int32Array;
}

/** Byte images of `pixels` values in ten classes; class k is bright in its tenth of the image. */
export function digitBatches(count: number, n: number, pixels: number, seed = 3): DigitBatch[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => {
    const target = Int32Array.from({ length: n }, () => Math.floor(10 * random()));
    const x = Uint8Array.from({ length: n * pixels }, (_, i) => {
      const part = Math.floor((10 * (i % pixels)) / pixels);
      return 80 * random() + (part === target[Math.floor(i / pixels)] ? 150 : 0);
    });
    return { x, target };
  });
}

/** The same as a data set of 28x28 images. */
export function digitSet(length: number): Dataset {
  const [all] = digitBatches(1, length, 784);
  return fromArrays({ x: all!.x, shape: [28, 28, 1], target: all!.target });
}

/** Two residual blocks, batch normalisation, a stride, dropout and a global mean. */
export function smallResidualNetwork(): Network {
  const conv = (filters: number, size: number, stride: number) =>
    conv2d({ filters, size, stride, padding: (size - 1) / 2, bias: false });
  const block = (x: Value, filters: number, stride: number): Value => {
    const cut = stride === 1 ? x : batchNorm()(conv(filters, 1, stride)(x));
    const a = relu()(batchNorm()(conv(filters, 3, stride)(x)));
    return relu()(add(batchNorm()(conv(filters, 3, 1)(a)), cut));
  };
  const x = input([12, 12, 3]);
  const y = block(block(relu()(conv2d({ filters: 8, size: 3, padding: 1 })(x)), 8, 1), 12, 2);
  return network(x, dense({ units: 10 })(dropout({ rate: 0.3 })(globalAvgPool2d()(y))), {
    fit: 'crop',
  });
}

export function trainerOn(
  device: Device,
  net: Network,
  options: Partial<TrainerOptions> = {},
): Promise<Trainer> {
  return net.trainer({
    device,
    batch: 8,
    loss: softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 0.02, momentum: 0.9, weightDecay: 5e-4 }),
    ...options,
  });
}

/** The losses of `steps` steps. */
export async function lossesOf(
  trainer: Trainer,
  batches: readonly DigitBatch[],
  steps: number,
): Promise<number[]> {
  const losses: number[] = [];
  for (let i = 0; i < steps; ++i)
    losses.push((await trainer.step(batches[i % batches.length]!)).loss);
  return losses;
}

/** The largest distance between two lists of numbers. */
export function distance(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}
