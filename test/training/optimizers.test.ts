// Optimizers over several steps against PyTorch (test/fixtures/pytorch_optimizers.py), saved and resumed
// half way.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSafetensors, type HostTensor } from '../../lib/formats/safetensors.js';
import { sequential } from '../../lib/graph/sequential.js';
import { dense } from '../../lib/layers/index.js';
import {
  adadelta,
  adagrad,
  adam,
  adamW,
  rmsProp,
  sgd,
  type Optimizer,
} from '../../lib/optimizers/index.js';
import type { Trainer } from '../../lib/training/trainer.js';
import { farthest, numbers } from './support.js';

const steps = 10;
const common = {
  learningRate: 0.05,
  weightDecay: 2 ** -6,
  groups: [{ match: /\.b$/, learningRateScale: 2, weightDecay: 0 }],
};
const runs: Readonly<Record<string, Optimizer>> = {
  sgd: sgd({ ...common, momentum: Math.fround(0.9), nesterov: true }),
  adam: adam(common),
  'adam-amsgrad': adam({ ...common, betas: [0.5, 0.9], epsilon: 1e-3, amsgrad: true }),
  adamW: adamW(common),
  rmsProp: rmsProp(common),
  'rmsProp-centered': rmsProp({
    ...common,
    alpha: 0.9,
    epsilon: 1e-3,
    momentum: 0.5,
    centered: true,
  }),
  adagrad: adagrad({ ...common, learningRateDecay: 0.1, initialAccumulator: 0.25 }),
  adadelta: adadelta(common),
  'clip-norm': sgd({ ...common, momentum: Math.fround(0.9), nesterov: true, clip: { norm: 0.5 } }),
  'clip-value': sgd({
    ...common,
    momentum: Math.fround(0.9),
    nesterov: true,
    clip: { value: 0.25 },
  }),
};

const network = () => sequential([6], [dense({ units: 5, name: 'fc' })]);
const weights = new Map<string, HostTensor>();
weights.set('fc.w', {
  dtype: 'float64',
  shape: network().parameters()[0]!.spec.shape,
  data: numbers(30, (i) => Math.sin(0.3 * i)),
});
weights.set('fc.b', { dtype: 'float64', shape: [5], data: numbers(5, (i) => Math.cos(0.7 * i)) });

async function train(trainer: Trainer, end: number): Promise<void> {
  for (let t = trainer.steps; t < end; t++) {
    const x = numbers(6, (i) => Math.sin(1 + i + 7 * t));
    await trainer.forward(trainer.precision === 'float64' ? x : Float32Array.from(x));
    await trainer.backward(numbers(5, (i) => Math.cos(2 + i + 3 * t)));
    await trainer.update();
  }
}

describe('optimizers over ten steps', () => {
  let stored: Awaited<ReturnType<typeof readSafetensors>>['tensors'];
  let folder = '';
  before(async () => {
    const path = new URL('../fixtures/pytorch_optimizers.safetensors', import.meta.url);
    ({ tensors: stored } = await readSafetensors(fileURLToPath(path)));
    folder = await mkdtemp(join(tmpdir(), 'striate-optimizers-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const [name, optimizer] of Object.entries(runs)) {
    for (const [precision, tolerance] of [
      ['float64', 1e-12],
      ['float32', 2e-6],
    ] as const)
      it(`${name} is PyTorch's in ${precision}, also when it is resumed`, async () => {
        const options = {
          ...({ device: 'cpu', threads: 1, batch: 1, loss: 'external' } as const),
          ...{ optimizer, precision, missing: [] },
        };
        const path = join(folder, `${name}.safetensors`);
        await using first = await network().trainer({ ...options, weights });
        await train(first, steps / 2);
        await first.save(path);
        await train(first, steps);
        await using second = await network().trainer({ ...options, resume: path });
        await train(second, steps);
        expect(await second.parametersSha256()).to.equal(await first.parametersSha256());
        const found = await second.weights();
        for (const parameter of ['w', 'b']) {
          const wanted = stored.get(`${name}/${parameter}`)!.data as Float64Array;
          const actual = found.get(`fc.${parameter}`)!.data as Float64Array;
          expect(farthest(actual, wanted), parameter).to.be.below(tolerance);
        }
      });
  }
});
