import { after } from 'mocha';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromArrays, type Dataset } from '../../lib/data/index.js';
import type { Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import {
  batchNorm,
  conv2d,
  dense,
  dropout,
  flatten,
  maxPool2d,
  relu,
} from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import type { Trainer, TrainerOptions } from '../../lib/training/trainer.js';

/** Numbers from 0 to below 1, the same in every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Byte images of 8x8 in four classes: the quadrant that is bright. */
export function quadrants(length: number, seed = 1): Dataset {
  const random = randomNumbers(seed);
  const x = new Uint8Array(length * 64);
  const target = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const label = Math.floor(random() * 4);
    target[i] = label;
    for (let p = 0; p < 64; p++) {
      const quadrant = 2 * Number(p >= 32) + Number(p % 8 >= 4);
      x[64 * i + p] = 120 * random() + (quadrant === label ? 100 : 0);
    }
  }
  return fromArrays({ x, shape: [8, 8, 1], target, classes: ['a', 'b', 'c', 'd'] });
}

/** Convolution, batch normalisation, pooling, dropout, a dense layer. */
export function smallNetwork(): Network {
  return sequential(
    [8, 8, 1],
    [
      conv2d({ filters: 6, size: 3, padding: 1, bias: false }),
      batchNorm(),
      relu(),
      maxPool2d({ size: 2, stride: 2 }),
      flatten(),
      dense({ units: 16 }),
      relu(),
      dropout({ rate: 0.2 }),
      dense({ units: 4 }),
    ],
  );
}

export const optimizer = sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 1e-4 });

/** Trainers of these tests; closed after them. */
const open: Trainer[] = [];

export async function smallTrainer(
  options: Partial<TrainerOptions> = {},
  network = smallNetwork(),
): Promise<Trainer> {
  const trainer = await network.trainer({
    loss: softmaxCrossEntropy(),
    optimizer,
    batch: 16,
    ...options,
  });
  open.push(trainer);
  return trainer;
}

export function closeTrainers(): void {
  after(async () => {
    await Promise.all(open.splice(0).map((trainer) => trainer.close()));
  });
}

/** A folder that is removed after the tests. */
export function temporaryFolder(): (name: string) => string {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'striate-training-'));
  });
  after(() => rm(folder, { recursive: true }));
  return (name) => join(folder, name);
}

/** f(0), f(1), ... */
export const numbers = (count: number, f: (i: number) => number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => f(i));

/** The largest difference, in parts of the largest value. */
export function farthest(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  const differences = Array.from(wanted, (value, i) => Math.abs(value - actual[i]!));
  return Math.max(...differences) / Math.max(...Array.from(wanted, Math.abs));
}
