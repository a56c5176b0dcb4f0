import { expect } from 'chai';
import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { batches, type Batch } from '../../lib/data/index.js';
import type { StriateError } from '../../lib/errors.js';
import { writeSafetensors, readSafetensors } from '../../lib/formats/safetensors.js';
import type { Value } from '../../lib/graph/value.js';
import { models } from '../../lib/index.js';
import { mean, square, sub } from '../../lib/layers/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { load } from '../../lib/training/model.js';
import { readWeights, writeWeights } from '../../lib/training/weights.js';
import { codeOf, errorOf } from '../support/errors.js';
import {
  closeTrainers,
  quadrants,
  smallNetwork,
  smallTrainer,
  temporaryFolder,
} from './support.js';

describe('checkpoints', () => {
  closeTrainers();
  const path = temporaryFolder();
  const set = quadrants(100);

  it('resume in the middle of an epoch, bit for bit', async () => {
    const whole = await smallTrainer({ seed: 5 });
    await whole.fit(set, { epochs: 4 });
    const hash = await whole.parametersSha256();
    for (const [threads, steps] of [
      [1, 3],
      [2, 7],
      [3, 17],
    ] as const) {
      const file = path(`resume-${steps}`);
      const first = await smallTrainer({ seed: 5 });
      await first.fit(set, { epochs: 4, maxSteps: steps });
      await first.save(file);
      const second = await smallTrainer({ resume: file, device: 'cpu', threads });
      expect(second.steps).to.equal(steps);
      expect(await second.parametersSha256()).to.equal(await first.parametersSha256());
      await second.fit(set, { epochs: 4 });
      expect(second.steps).to.equal(whole.steps);
      expect(await second.parametersSha256()).to.equal(hash);
    }
  });

  it('resume after an abort and between epochs', async () => {
    const whole = await smallTrainer();
    await whole.fit(set, { epochs: 3 });
    const first = await smallTrainer();
    for await (const { epoch } of first.fit(set, { epochs: 3 })) {
      await first.save(path('between'));
      if (epoch === 1) break;
    }
    const second = await smallTrainer({ resume: path('between') });
    const { epochs } = await second.fit(set, { epochs: 3 });
    expect(epochs.map(({ epoch }) => epoch)).to.deep.equal([2, 3]);
    expect(await second.parametersSha256()).to.equal(await whole.parametersSha256());
  });

  it('resume an own loop at its batch', async () => {
    const whole = await smallTrainer();
    for await (const b of batches(set, { batch: 16, epochs: 2 })) await whole.step(b);
    const first = await smallTrainer();
    for await (const b of batches(set, { batch: 16, epochs: 2 })) {
      await first.step(b);
      if (first.steps === 9) break;
    }
    await first.save(path('loop'));
    const second = await smallTrainer({ resume: path('loop') });
    for await (const b of batches(set, { batch: 16, epochs: 2, start: second.position }))
      await second.step(b);
    expect(await second.parametersSha256()).to.equal(await whole.parametersSha256());
  });

  it('refuse to resume what would not go on exactly', async () => {
    const trainer = await smallTrainer({ seed: 5 });
    await trainer.fit(set, { epochs: 1, maxSteps: 3 });
    const resume = path('strict');
    await trainer.save(resume);
    const cases = [
      { seed: 6 },
      { precision: 'float64' as const },
      { optimizer: sgd({ learningRate: 0.1 }) },
      { freeze: [/^fc1/] },
      { weights: new Map() },
    ];
    for (const options of cases)
      expect(await codeOf(smallTrainer({ resume, ...options }))).to.equal('INVALID_ARGUMENT');
    const other = smallNetwork().replaceHead({ units: 4 });
    expect(await codeOf(smallTrainer({ resume }, other))).to.equal('INVALID_ARGUMENT');
    const resumed = await smallTrainer({ resume });
    expect(await codeOf(resumed.fit(quadrants(90), { epochs: 1 }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(resumed.fit(set, { epochs: 1, shuffle: false }))).to.equal(
      'INVALID_ARGUMENT',
    );
  });

  it('hold everything, readable by others', async () => {
    const trainer = await smallTrainer({ preprocess: { scale: 1 / 256, mean: 0.5, std: 0.25 } });
    await trainer.fit(set, { epochs: 1, maxSteps: 2 });
    await trainer.save(path('all'));
    const { metadata, tensors } = await readSafetensors(path('all'));
    expect([...metadata.keys()]).to.deep.equal(['striate']);
    const header = JSON.parse(metadata.get('striate')!) as Record<string, unknown>;
    expect(header).to.include({ format: 1, step: 2, epoch: 0, seed: 0 });
    expect(header.data).to.deep.equal({ epoch: 0, sample: 32, length: 100, shuffle: true });
    expect(header.preprocess).to.deep.equal({ scale: 1 / 256, mean: 0.5, std: 0.25 });
    expect(header.classes).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(header.schedule).to.deep.equal({ kind: 'constant', rate: 0.05 });
    const names = [...tensors.keys()];
    expect(names).to.include('optimizer/momentum/fc1.w').and.to.include('bn1.mean');
    expect(names).not.to.include('optimizer/momentum/bn1.mean');
    const weights = await readWeights(path('all'));
    expect(weights.size).to.equal(9);
    await writeWeights(path('weights'), weights);
    expect(await readWeights(path('weights'))).to.deep.equal(weights);
    expect(await codeOf(load(path('weights')))).to.equal('INVALID_FORMAT');
  });

  it('refuse damaged files', async () => {
    const trainer = await smallTrainer();
    await trainer.save(path('sound'));
    await copyFile(path('sound'), path('cut'));
    const { length } = await readFile(path('sound'));
    for (const size of [length - 1, length >> 1, 100, 8, 3, 0]) {
      await truncate(path('cut'), size);
      expect(await codeOf(load(path('cut')))).to.equal('INVALID_FORMAT');
      expect(await codeOf(smallTrainer({ resume: path('cut') }))).to.equal('INVALID_FORMAT');
    }
    const { metadata, tensors } = await readSafetensors(path('sound'));
    const header = JSON.parse(metadata.get('striate')!) as Record<string, unknown>;
    const wrong = [
      'no JSON',
      '[]',
      JSON.stringify({ ...header, format: 2 }),
      JSON.stringify({ ...header, step: -1 }),
      JSON.stringify({ ...header, data: null }),
      JSON.stringify({ ...header, network: { nodes: 'x' } }),
      JSON.stringify({ ...header, precision: 'float1' }),
      JSON.stringify({ ...header, classes: [1] }),
      JSON.stringify({ ...header, preprocess: { scale: 'x' } }),
    ];
    for (const striate of wrong) {
      await writeSafetensors(path('wrong'), tensors, { striate });
      expect(await codeOf(load(path('wrong'))), striate.slice(0, 80)).to.equal('INVALID_FORMAT');
    }
    await writeFile(path('wrong'), 'hello');
    expect(await codeOf(load(path('wrong')))).to.equal('INVALID_FORMAT');
  });

  it('keep the old file when the new one cannot be written', async () => {
    const trainer = await smallTrainer();
    expect(await codeOf(trainer.save(path('no/such/folder')))).to.equal('INVALID_ARGUMENT');
    expect(
      (await trainer.step({ x: new Uint8Array(128), target: new Int32Array(2) })).step,
    ).to.equal(1);
  });
});

describe('models', () => {
  closeTrainers();
  const path = temporaryFolder();
  const set = quadrants(200);

  it('predict, classify and evaluate as their trainer does', async () => {
    const trainer = await smallTrainer();
    await trainer.fit(set, { epochs: 8 });
    await trainer.save(path('model'));
    await using model = await load(path('model'), { device: 'cpu', batch: 7 });
    const { value } = await batches(set, { batch: 20, shuffle: false }).next();
    const batch = value as Batch;
    const { data, shape } = await model.predict(batch.x);
    expect(shape).to.deep.equal([20, 4]);
    const own = await trainer.predict(batch.x);
    data.forEach((v, i) => expect(v).to.be.closeTo(own.data[i]!, 1e-5));
    const top = await model.classify(batch.x, { top: 2 });
    expect(top).to.have.length(20);
    const right = top.filter(([best], i) => best!.index === batch.target[i]).length;
    expect(right).to.be.above(17);
    for (const [first, second] of top) {
      expect(first!.label).to.equal('abcd'[first!.index]);
      expect(first!.probability).to.be.at.least(second!.probability);
      expect(first!.probability + second!.probability).to.be.at.most(1 + 1e-12);
    }
    const measured = await model.evaluate(set);
    expect(measured.accuracy).to.equal((await trainer.evaluate(set)).accuracy);
    expect(model.inputShape).to.deep.equal([8, 8, 1]);
  });

  it('queue concurrent calls, and take bytes and numbers', async () => {
    const trainer = await smallTrainer();
    await trainer.save(path('queue'));
    await using model = await load(path('queue'), { batch: 4 });
    const x = Uint8Array.from({ length: 64 * 9 }, (_, i) => i % 251);
    const scaled = Float32Array.from(x, (v) => v / 255);
    const [a, b, c] = await Promise.all([
      model.predict(x),
      model.predict(scaled),
      model.predict(x),
    ]);
    expect(a.data).to.deep.equal(c.data);
    a.data.forEach((v, i) => expect(v).to.be.closeTo(b.data[i]!, 1e-5));
    expect(await codeOf(model.predict(x.subarray(1)))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(model.classify(x, { top: 0 }))).to.equal('INVALID_ARGUMENT');
  });

  it('are DISPOSED after close', async () => {
    const trainer = await smallTrainer();
    await trainer.save(path('closed'));
    const model = await load(path('closed'));
    const pending = model.predict(new Uint8Array(64));
    await model.close();
    expect((await pending).shape).to.deep.equal([1, 4]);
    expect(await codeOf(model.predict(new Uint8Array(64)))).to.equal('DISPOSED');
    expect(await codeOf(model.evaluate(set))).to.equal('DISPOSED');
  });

  it('of an own loss predict, and say why they do not evaluate', async () => {
    const loss = (y: Value, t: Value) => mean(square(sub(y, t)));
    const trainer = await smallTrainer({ loss });
    await trainer.save(path('own'));
    await using model = await load(path('own'));
    expect((await model.predict(new Uint8Array(64))).shape).to.deep.equal([1, 4]);
    const error = (await errorOf(model.evaluate(set))) as StriateError;
    expect(error.code).to.equal('INVALID_ARGUMENT');
  });
});

describe('LeNet', () => {
  it('has Caffe’s 431,080 parameters', () => {
    const count = models
      .lenet()
      .parameters()
      .reduce((sum, { spec }) => sum + spec.shape.reduce((a, b) => a * b, 1), 0);
    expect(count).to.equal(431_080);
  });
});
