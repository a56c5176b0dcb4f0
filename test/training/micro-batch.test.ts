// A step in micro-batches is that of the whole batch.
import { expect } from 'chai';
import { fromArrays } from '../../lib/data/index.js';
import type { Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import {
  batchNorm,
  conv2d,
  dense,
  dropout,
  flatten,
  mean,
  relu,
  sqrt,
  square,
} from '../../lib/layers/index.js';
import { customLoss, softmaxCrossEntropy } from '../../lib/losses/index.js';
import { adam, sgd } from '../../lib/optimizers/index.js';
import { compileTraining } from '../../lib/program/compile.js';
import { Plan } from '../../lib/program/plan.js';
import { parseProgram } from '../../lib/program/parse.js';
import type { TrainerOptions } from '../../lib/training/trainer.js';
import { labels, noise } from '../program/device.js';
import { codeOf } from '../support/errors.js';

const net = (): Network =>
  sequential(
    [8, 8, 2],
    [
      conv2d({ filters: 4, size: 3, padding: 1 }),
      relu(),
      flatten(),
      dropout({ rate: 0.3 }),
      dense({ units: 5 }),
    ],
  );

const batch = 20;
const count = 3 * batch + 7;
// Labels that do not count, more of them in some micro-batches than in others.
const targets = labels(count, 5).map((label, i) => (i % 7 < 2 || i % 20 < 5 ? -1 : label));
const images = Float32Array.from(noise(count * 128, 3));

const options = (precision: 'float32' | 'float64'): TrainerOptions => ({
  ...({ device: 'cpu', threads: 1, batch, precision, seed: 4 } as const),
  loss: softmaxCrossEntropy(),
  optimizer: sgd({ learningRate: 0.05, momentum: 0.9, clip: { norm: 1 } }),
});

async function trained(given: TrainerOptions, network = net()) {
  await using trainer = await network.trainer(given);
  const x = images;
  const set = fromArrays({ x, target: targets, shape: [8, 8, 2] });
  const { epochs } = await trainer.fit(set, { epochs: 2 });
  // One step by hand as well.
  const one = { x: x.subarray(0, 128 * 9), target: targets.slice(0, 9) };
  const step = await trainer.step(one);
  return { epochs, step, steps: trainer.steps, weights: await trainer.weights() };
}

describe('micro-batches', () => {
  for (const [precision, tolerance] of [
    ['float64', 1e-9],
    ['float32', 1e-4],
  ] as const)
    for (const microBatch of [1, 3, 8, 19])
      it(`${microBatch} at once are the batch of ${batch} in ${precision}`, async () => {
        const whole = await trained(options(precision));
        const parts = await trained({ ...options(precision), microBatch });
        expect(parts.steps).to.equal(whole.steps);
        for (const [i, { train }] of whole.epochs.entries()) {
          const other = parts.epochs[i]!.train;
          expect(other.loss).to.be.closeTo(train.loss, tolerance * train.loss);
          expect([other.count, other.accuracy]).to.deep.equal([train.count, train.accuracy]);
        }
        expect(parts.step.count).to.equal(whole.step.count);
        expect(parts.step.loss).to.be.closeTo(whole.step.loss, tolerance);
        for (const [name, { data }] of whole.weights) {
          const found = parts.weights.get(name)!.data as Float64Array;
          const size = Math.hypot(...(data as Float64Array));
          const off = Math.hypot(...(data as Float64Array).map((v, j) => v - found[j]!));
          expect(off / size, name).to.be.below(tolerance);
        }
      });

  it('a batch in which nothing counts changes nothing', async () => {
    const given = { ...options('float32'), optimizer: sgd({ learningRate: 1 }), microBatch: 2 };
    await using trainer = await net().trainer(given);
    const before = await trainer.parametersSha256();
    const x = images.subarray(0, 5 * 128);
    const { step } = await trainer
      .step({ x, target: new Int32Array(5).fill(-1) })
      .catch(() => ({ step: 0 }));
    await using whole = await net().trainer({ ...given, microBatch: batch });
    const same = await whole
      .step({ x, target: new Int32Array(5).fill(-1) })
      .catch(() => ({ step: 0 }));
    expect(step).to.equal(same.step);
    expect(await trainer.parametersSha256()).to.equal(before);
  });

  it('a step that is not finite leaves everything, and the next one is clean', async () => {
    await using trainer = await net().trainer({ ...options('float32'), microBatch: 4 });
    await using other = await net().trainer({ ...options('float32'), microBatch: 4 });
    const before = await trainer.parametersSha256();
    const x = images.slice(0, batch * 128);
    const target = targets.slice(0, batch);
    const bad = x.with(128 * 13 + 5, NaN);
    expect(await codeOf(trainer.step({ x: bad, target: target.fill(1) }))).to.equal('NOT_FINITE');
    expect(await trainer.parametersSha256()).to.equal(before);
    await trainer.step({ x, target });
    await other.step({ x, target });
    expect(await trainer.parametersSha256()).to.equal(await other.parametersSha256());
  });

  it('takes less memory, and moves the running statistics', async () => {
    const network = sequential(
      [8, 8, 2],
      [conv2d({ filters: 4, size: 3 }), batchNorm(), dense({ units: 5 })],
    );
    const whole = await network.trainer(options('float32'));
    const parts = await network.trainer({ ...options('float32'), microBatch: 5 });
    expect(parts.memory().planned.arena).to.be.below(whole.memory().planned.arena);
    expect(parts.batch).to.equal(batch);
    const x = images.slice(0, batch * 128);
    await parts.step({ x, target: targets.slice(0, batch) });
    const mean = (await parts.weights()).get('bn1.mean')!.data as Float32Array;
    expect(mean.some((v) => v !== 0)).to.equal(true);
    await Promise.all([whole.close(), parts.close()]);
  });

  it('a program that accumulates is sound, plans and survives JSON', () => {
    const program = compileTraining(net(), {
      ...{ batch: 4, loss: softmaxCrossEntropy(), optimizer: adam(), accumulate: true },
    });
    expect(parseProgram(JSON.stringify(program))).to.deep.equal(program);
    expect(new Plan(program).batch).to.equal(4);
    const gradients = program.instructions
      .filter((i) => i.phase === 'backward')
      .flatMap((i) => i.operands)
      .filter((o) => o !== null && program.buffers[o.buffer]!.region === 'gradients');
    expect(gradients.map((o) => o!.access)).to.deep.equal(gradients.map(() => 'accumulate'));
  });

  it('refuses what cannot be', async () => {
    const own = customLoss((y) => sqrt(mean(square(y))));
    for (const wrong of [{ microBatch: 0 }, { microBatch: 1.5 }, { microBatch: 2, loss: own }])
      expect(await codeOf(net().trainer({ ...options('float32'), ...wrong }))).to.equal(
        'INVALID_ARGUMENT',
      );
    const external = { ...options('float32'), loss: 'external' as const, microBatch: 2 };
    expect(await codeOf(net().trainer(external))).to.equal('INVALID_ARGUMENT');
  });
});
