// The moving average of the parameters: kept, measured with, saved, resumed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromArrays } from '../../lib/data/index.js';
import { sequential } from '../../lib/graph/sequential.js';
import { batchNorm, conv2d, dense } from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { load } from '../../lib/training/model.js';
import type { TrainerOptions } from '../../lib/training/trainer.js';
import { labels, noise } from '../program/device.js';
import { codeOf } from '../support/errors.js';

const decay = 0.75;
const network = sequential(
  [5, 5, 2],
  [conv2d({ filters: 3, size: 3 }), batchNorm(), dense({ units: 4 })],
);
const options: TrainerOptions = {
  ...({ device: 'cpu', threads: 1, batch: 6, precision: 'float64', seed: 2 } as const),
  loss: softmaxCrossEntropy(),
  optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
  freeze: [/^conv1\.b$/],
  average: { decay },
};
const x = Float32Array.from(noise(6 * 50, 1));
const target = labels(6, 4);
const set = fromArrays({ x, target, shape: [5, 5, 2] });

describe('average of the parameters', () => {
  let path = '';
  before(async () => {
    path = await mkdtemp(join(tmpdir(), 'striate-average-'));
  });
  after(() => rm(path, { recursive: true, force: true }));

  it('begins with the first step and follows the parameters', async () => {
    await using trainer = await network.trainer(options);
    let wanted: Map<string, Float64Array> | undefined;
    for (let step = 0; step < 5; step++) {
      await trainer.step({ x, target });
      const weights = await trainer.weights();
      const next = new Map<string, Float64Array>();
      for (const [name, { data }] of weights) {
        const before = wanted?.get(name);
        next.set(
          name,
          (data as Float64Array).map((v, i) => (before ? decay * before[i]! + (1 - decay) * v : v)),
        );
      }
      wanted = next;
    }
    const statistics = await trainer.weights();
    const averaged = await trainer.weights({ averaged: true });
    for (const { name, trainable } of trainer.parameters) {
      const found = averaged.get(name)!.data as Float64Array;
      const expected = trainable
        ? wanted!.get(name)!
        : (statistics.get(name)!.data as Float64Array);
      for (const [i, value] of expected.entries()) expect(found[i]).to.be.closeTo(value, 1e-12);
    }
  });

  it('measures and predicts as a network with the averaged parameters does', async () => {
    await using trainer = await network.trainer(options);
    const fresh = await trainer.predict(x);
    expect(await trainer.predict(x, { averaged: true })).to.deep.equal(fresh);
    for (let step = 0; step < 4; step++) {
      await trainer.step({ x, target });
      const { average: _, ...plain } = options;
      await using other = await network.trainer({
        ...plain,
        weights: await trainer.weights({ averaged: true }),
      });
      expect(await trainer.predict(x, { averaged: true })).to.deep.equal(await other.predict(x));
      expect(await trainer.evaluate(set, { averaged: true })).to.deep.equal(
        await other.evaluate(set),
      );
      if (step > 0) expect(await trainer.predict(x)).to.not.deep.equal(await other.predict(x));
    }
  });

  it('is in the checkpoint: for a run that goes on, and for a model', async () => {
    const file = join(path, 'averaged.safetensors');
    await using trainer = await network.trainer(options);
    for (let step = 0; step < 3; step++) await trainer.step({ x, target });
    await trainer.save(file);
    await using resumed = await network.trainer({ ...options, resume: file });
    expect(await resumed.weights({ averaged: true })).to.deep.equal(
      await trainer.weights({ averaged: true }),
    );
    await using model = await load(file, { device: 'cpu', averaged: true });
    expect((await model.predict(x)).data).to.deep.equal(
      (await trainer.predict(x, { averaged: true })).data,
    );
    await using plain = await load(file, { device: 'cpu' });
    expect((await plain.predict(x)).data).to.deep.equal((await trainer.predict(x)).data);
    await Promise.all([trainer, resumed].map((t) => t.step({ x, target })));
    expect(await resumed.weights({ averaged: true })).to.deep.equal(
      await trainer.weights({ averaged: true }),
    );
  });

  it('stays as it was after a step that is not finite', async () => {
    await using trainer = await network.trainer(options);
    await trainer.step({ x, target });
    const before = await trainer.weights({ averaged: true });
    expect(await codeOf(trainer.step({ x: x.with(3, NaN), target }))).to.equal('NOT_FINITE');
    expect(await trainer.weights({ averaged: true })).to.deep.equal(before);
  });

  it('refuses what is not there', async () => {
    const { average: _, ...plain } = options;
    await using trainer = await network.trainer(plain);
    const file = join(path, 'plain.safetensors');
    await trainer.save(file);
    for (const wrong of [
      () => trainer.evaluate(set, { averaged: true }),
      () => trainer.predict(x, { averaged: true }),
      () => trainer.weights({ averaged: true }),
      () => load(file, { device: 'cpu', averaged: true }),
      () => network.trainer({ ...options, average: { decay: 1 } }),
      () => network.trainer({ ...options, average: {} as { decay: number } }),
      () => network.trainer({ ...options, resume: file }),
    ])
      expect(await codeOf(wrong()), String(wrong)).to.equal('INVALID_ARGUMENT');
  });
});
