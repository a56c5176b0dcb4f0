import { expect } from 'chai';
import { batches, fromArrays, type Batch } from '../../lib/data/index.js';
import type { StriateError } from '../../lib/errors.js';
import { sequential } from '../../lib/graph/sequential.js';
import type { Value } from '../../lib/graph/value.js';
import { constant } from '../../lib/initializers/index.js';
import { batchNorm, dense, mean, relu, square, sub, sum } from '../../lib/layers/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { device } from '../../lib/runtime/device.js';
import { Weights, type HostTensor } from '../../lib/training/weights.js';
import { codeOf, errorOf } from '../support/errors.js';
import {
  closeTrainers,
  optimizer,
  quadrants,
  randomNumbers,
  smallNetwork,
  smallTrainer,
} from './support.js';

async function firstBatch(n = 16): Promise<Batch> {
  const { value } = await batches(quadrants(64), { batch: n, shuffle: false }).next();
  return value as Batch;
}

describe('step', () => {
  closeTrainers();

  it('counts steps and returns loss, accuracy and rate', async () => {
    const trainer = await smallTrainer();
    const batch = await firstBatch();
    const first = await trainer.step(batch);
    expect(first.step).to.equal(1);
    expect(first.loss).to.be.within(0.5, 4);
    expect(first.accuracy).to.be.within(0, 1);
    expect(first.count).to.equal(16);
    expect(first.learningRate).to.equal(0.05);
    const both = await Promise.all([trainer.step(batch), trainer.step(batch)]);
    expect(both.map(({ step }) => step)).to.deep.equal([2, 3]);
  });

  it('takes any batch up to the planned one, bytes and numbers', async () => {
    const bytes = await smallTrainer();
    const numbers = await smallTrainer();
    const batch = await firstBatch(5);
    const scaled = Float32Array.from(batch.x, (v) => v * Math.fround(1 / 255));
    const a = await bytes.step({ x: batch.x, target: batch.target });
    const b = await numbers.step({ x: scaled, target: batch.target });
    expect(a.loss).to.be.closeTo(b.loss, 1e-6);
    expect(a.count).to.equal(5);
  });

  it('gives the expected and actual lengths of arrays that do not fit', async () => {
    const trainer = await smallTrainer();
    const { x, target } = await firstBatch();
    const wrong = [
      { x: x.subarray(1), target },
      { x, target: target.subarray(1) },
      { x: new Uint8Array(64 * 17), target: new Int32Array(17) },
      { x: new Uint8Array(0), target: new Int32Array(0) },
      { x, target: new Float32Array(16) },
      { x: [1, 2] as unknown as Uint8Array, target },
      { x: new Float64Array(1024), target },
    ];
    for (const batch of wrong)
      expect(await codeOf(trainer.step(batch))).to.equal('INVALID_ARGUMENT');
    const error = (await errorOf(trainer.step({ x, target: target.subarray(1) }))) as StriateError;
    expect(error.message).to.contain('15').and.contain('16');
    expect(trainer.steps).to.equal(0);
  });

  it('refuses labels that are no class, but not the ignored one', async () => {
    const trainer = await smallTrainer();
    const { x } = await firstBatch(2);
    for (const label of [4, -2, 2 ** 31 - 1]) {
      const error = (await errorOf(
        trainer.step({ x, target: Int32Array.of(0, label) }),
      )) as StriateError;
      expect(error.code).to.equal('INVALID_DATA');
      expect(error.message).to.contain('sample 1').and.contain(`label ${label}`);
    }
    expect((await trainer.step({ x, target: Int32Array.of(-1, 0) })).count).to.equal(1);
  });

  it('leaves everything as it was when the loss is not finite', async () => {
    const trainer = await smallTrainer();
    const { x, target } = await firstBatch();
    const images = Float32Array.from(x);
    await trainer.step({ x: images, target });
    const before = await trainer.parametersSha256();
    for (const value of [NaN, Infinity, -Infinity]) {
      const broken = images.slice();
      broken[70] = value;
      const error = (await errorOf(trainer.step({ x: broken, target }))) as StriateError;
      expect(error.code).to.equal('NOT_FINITE');
      expect(error.message).to.contain('step 2');
      expect(trainer.steps).to.equal(1);
      expect(await trainer.parametersSha256()).to.equal(before);
    }
    // The momentum is as before too: the next steps are those of a run without the broken batch.
    await trainer.step({ x: images, target });
    const clean = await smallTrainer();
    await clean.step({ x: images, target });
    await clean.step({ x: images, target });
    expect(await trainer.parametersSha256()).to.equal(await clean.parametersSha256());
  });

  it('computes the same with 1, 2 and 3 threads', async () => {
    const hashes = new Set<string>();
    for (const threads of [1, 2, 3]) {
      const trainer = await smallTrainer({ device: 'cpu', threads });
      await trainer.fit(quadrants(100), { epochs: 2 });
      hashes.add(await trainer.parametersSha256());
    }
    expect(hashes.size).to.equal(1);
  });

  it('depends on the seed', async () => {
    const hashes = new Set<string>();
    for (const seed of [0, 0, 1])
      hashes.add(await (await smallTrainer({ seed })).parametersSha256());
    expect(hashes.size).to.equal(2);
  });

  it('trains in float64', async () => {
    const trainer = await smallTrainer({ precision: 'float64' });
    const single = await smallTrainer();
    const batch = await firstBatch();
    const { loss } = await trainer.step(batch);
    expect(loss).to.be.closeTo((await single.step(batch)).loss, 1e-5);
    expect((await trainer.predict(batch.x)).data).to.be.instanceOf(Float64Array);
    expect((await trainer.weights()).get('conv1.w')!.dtype).to.equal('float64');
  });
});

describe('own losses', () => {
  closeTrainers();
  const random = randomNumbers(7);
  const x = Float32Array.from({ length: 32 * 5 }, random);
  const target = Float32Array.from({ length: 32 * 3 }, random);
  const set = fromArrays({ x, shape: [5], target, targetShape: [3] });
  const network = () => sequential([5], [dense({ units: 8 }), relu(), dense({ units: 3 })]);
  const loss = (y: Value, t: Value): Value => mean(square(sub(y, t)));
  const plain = sgd({ learningRate: 0.1, momentum: 0.9 });

  it('learn by differentiation', async () => {
    const trainer = await smallTrainer({ loss, optimizer: plain, batch: 8 }, network());
    const { epochs } = await trainer.fit(set, { epochs: 20, validation: set });
    expect(epochs[19]!.train.loss).to.be.below(epochs[0]!.train.loss / 2);
    expect(epochs[19]!.train.accuracy).to.be.NaN;
    const y = Array.from((await trainer.predict(x)).data);
    const expected = y.reduce((sum, v, i) => sum + (v - target[i]!) ** 2, 0) / y.length;
    expect(epochs[19]!.validation!.loss).to.be.closeTo(expected, 1e-5);
  });

  it('that are finite leave everything as it was when a gradient is not', async () => {
    const zeros = () => sequential([5], [dense({ units: 3, init: constant(0) })]);
    const options = { loss: (y: Value, t: Value): Value => sum(sub(y, t)), optimizer: plain };
    const still = { x: new Float32Array(8 * 5), target: new Float32Array(8 * 3) };
    // Each weight's gradient is a sum of eight numbers near the largest float32; the outputs are biases.
    const large = { ...still, x: still.x.map(() => 3e38) };
    const trainer = await smallTrainer(options, zeros());
    await trainer.step(still);
    const before = await trainer.parametersSha256();
    const error = (await errorOf(trainer.step(large))) as StriateError;
    expect(error.code).to.equal('NOT_FINITE');
    expect(error.message).to.contain('step 2: a gradient');
    expect(await trainer.parametersSha256()).to.equal(before);
    await trainer.step(still);
    const clean = await smallTrainer(options, zeros());
    await clean.step(still);
    await clean.step(still);
    expect(await trainer.parametersSha256()).to.equal(await clean.parametersSha256());
  });

  it('computed outside give the same steps', async () => {
    const inside = await smallTrainer({ loss, optimizer: plain, batch: 8 }, network());
    const outside = await smallTrainer({ loss: 'external', optimizer: plain, batch: 8 }, network());
    for await (const b of batches(set, { batch: 8, epochs: 3 })) {
      await inside.step(b);
      const y = await outside.forward(b.x);
      expect(y.shape).to.deep.equal([8, 3]);
      const dy = Float32Array.from(y.data, (v, i) => (2 * (v - b.target[i]!)) / y.data.length);
      await outside.backward(dy);
      await outside.update();
    }
    expect(outside.steps).to.equal(12);
    const [a, b] = [await inside.weights(), await outside.weights()];
    for (const [name, { data }] of a)
      data.forEach((v, i) => expect(v).to.be.closeTo(b.get(name)!.data[i] as number, 1e-5));
  });

  it('computed outside keep their order, lengths and finiteness', async () => {
    const trainer = await smallTrainer({ loss: 'external', optimizer: plain, batch: 8 }, network());
    const images = x.subarray(0, 10);
    expect(await codeOf(trainer.backward(new Float32Array(6)))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(trainer.update())).to.equal('INVALID_ARGUMENT');
    await trainer.forward(images);
    expect(await codeOf(trainer.update())).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(trainer.backward(new Float32Array(7)))).to.equal('INVALID_ARGUMENT');
    const before = await trainer.parametersSha256();
    await trainer.backward(new Float32Array(6).fill(NaN));
    expect(await codeOf(trainer.update())).to.equal('NOT_FINITE');
    expect(await trainer.parametersSha256()).to.equal(before);
    expect(await codeOf(trainer.step({ x: images, target: new Float32Array(6) }))).to.equal(
      'INVALID_ARGUMENT',
    );
    expect(await codeOf(trainer.fit(set))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(trainer.evaluate(set))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf((await smallTrainer()).forward(images))).to.equal('INVALID_ARGUMENT');
  });
});

describe('weights of a trainer', () => {
  closeTrainers();

  it('start where they are told to', async () => {
    const source = await smallTrainer({ seed: 3 });
    const weights = await source.weights();
    expect([...weights.keys()].sort()).to.deep.equal(
      'bn1.beta bn1.gamma bn1.mean bn1.variance conv1.w fc1.b fc1.w fc2.b fc2.w'.split(' '),
    );
    const copy = await smallTrainer({ weights });
    expect(await copy.parametersSha256()).to.equal(await source.parametersSha256());
  });

  it('must fit, but for the names that may differ', async () => {
    const weights = await (await smallTrainer({ seed: 3 })).weights();
    const tuned = smallNetwork().replaceHead({ units: 7 });
    const error = (await errorOf(smallTrainer({ weights }, tuned))) as StriateError;
    expect(error.code).to.equal('INVALID_ARGUMENT');
    expect(error.message)
      .to.contain('head.w is missing')
      .and.contain('fc2.w is not in the network');
    expect(error.remedy).to.contain('missing: [/^fc2\\./, /^head\\./]');
    const missing = [/^head\./, /^fc2\./];
    const trainer = await smallTrainer({ weights, missing }, tuned);
    const taken = await trainer.weights();
    expect(taken.get('conv1.w')!.data).to.deep.equal(weights.get('conv1.w')!.data);
    expect(taken.get('head.w')!.shape).to.deep.equal([16, 7]);
  });

  it('must have the right shapes; those that may differ start afresh', async () => {
    const weights = new Weights(await (await smallTrainer({ seed: 3 })).weights());
    const wrong: HostTensor = { dtype: 'float32', shape: [5], data: new Float32Array(5) };
    weights.set('fc2.b', wrong);
    const error = (await errorOf(smallTrainer({ weights }))) as StriateError;
    expect(error.message).to.contain('fc2.b is [5], the network has [4]');
    const trainer = await smallTrainer({ weights, missing: [/fc2/] });
    expect((await trainer.weights()).get('fc2.b')!.data).to.deep.equal(new Float32Array(4));
  });

  it('must have as many elements as their shapes', async () => {
    const weights = new Weights(await (await smallTrainer({ seed: 3 })).weights());
    weights.set('fc2.b', { dtype: 'float32', shape: [4], data: new Float32Array(3) });
    const error = (await errorOf(smallTrainer({ weights }))) as StriateError;
    expect(error.message).to.contain('fc2.b holds 3 elements, [4] has 4');
    expect(error.remedy).to.contain('[/^fc2\\./]');
  });

  it('stay as they are where they are frozen', async () => {
    const trainer = await smallTrainer({ freeze: [/^conv1\./, /^bn1\./] });
    const before = await trainer.weights();
    await trainer.fit(quadrants(64), { epochs: 2 });
    const after = await trainer.weights();
    for (const [name, { data }] of before) {
      const same = expect(after.get(name)!.data, name);
      if (/^(conv1|bn1)\./.test(name)) same.to.deep.equal(data);
      else same.not.to.deep.equal(data);
    }
    expect(
      trainer.parameters
        .filter((p) => p.trainable)
        .map((p) => p.name)
        .sort(),
    ).to.deep.equal(['fc1.b', 'fc1.w', 'fc2.b', 'fc2.w']);
  });
});

describe('a trainer’s life', () => {
  it('ends with close: everything is freed, later calls are DISPOSED', async () => {
    const cpu = await device('cpu', { threads: 1 });
    const empty = cpu.memory();
    const set = quadrants(64);
    const trainer = await smallNetwork().trainer({
      device: cpu,
      loss: 'external',
      optimizer,
    });
    await trainer.close();
    const other = await smallTrainer({ device: cpu });
    await other.fit(set, { epochs: 1, validation: set });
    await other.classify(new Uint8Array(64));
    expect(cpu.memory().blocks).to.be.above(empty.blocks);
    await other.close();
    await other.close();
    const { x, target } = await firstBatch();
    const calls = [
      () => other.fit(set),
      () => other.step({ x, target }),
      () => other.evaluate(set),
      () => other.predict(x),
      () => other.weights(),
      () => other.save('nowhere'),
      () => trainer.forward(x),
    ];
    for (const call of calls) expect(await codeOf(call())).to.equal('DISPOSED');
    const left = cpu.memory();
    expect(left.categories).to.deep.equal(empty.categories);
    await cpu.close();
  });

  it('waits for the step under way', async () => {
    const trainer = await smallTrainer();
    const fit = codeOf(trainer.fit(quadrants(200), { epochs: 100 }));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await trainer.close();
    expect(await fit).to.equal('DISPOSED');
  });

  it('holds the same memory at steps 100 and 1000', async () => {
    const trainer = await smallTrainer();
    const set = quadrants(160);
    const live = (): unknown => {
      const { allocated, blocks, categories } = trainer.memory().device;
      return { allocated, blocks, categories };
    };
    await trainer.fit(set, { epochs: 10, validation: set });
    const at100 = live();
    await trainer.fit(set, { epochs: 90, validation: set });
    expect(trainer.steps).to.equal(1000);
    expect(live()).to.deep.equal(at100);
  });

  it('evaluates and predicts in the arena of training', async () => {
    const trainer = await smallTrainer();
    const set = quadrants(32);
    await trainer.fit(set, { validation: set });
    const { planned, device } = trainer.memory();
    expect(device.categories.arena?.bytes).to.equal(planned.arena);
  });

  it('leaves everything as it was when only a running statistic would not be finite', async () => {
    const net = sequential([4], [batchNorm(), dense({ units: 3 })]);
    const trainer = await smallTrainer({}, net);
    const before = await trainer.parametersSha256();
    const x = Float32Array.from({ length: 64 }, (_, i) => (i % 7) * 1e20);
    const target = Int32Array.from({ length: 16 }, (_, i) => i % 3);
    expect(await codeOf(trainer.step({ x, target }))).to.equal('NOT_FINITE');
    expect(await trainer.parametersSha256()).to.equal(before);
  });

  it('copies what it is given before the call returns', async () => {
    const trainer = await smallTrainer();
    const other = await smallTrainer();
    const { x, target } = await firstBatch();
    const expected = await other.step({ x, target });
    const [mine, labels] = [x.slice(), target.slice()];
    const first = trainer.step({ x: mine, target: labels });
    mine.fill(0);
    labels.fill(0);
    expect((await first).loss).to.equal(expected.loss);
    const images = x.slice();
    const prediction = trainer.predict(images);
    images.fill(0);
    expect(await prediction).to.deep.equal(await trainer.predict(x));
  });

  it('refuses options that make no sense', async () => {
    const wrong = [
      { batch: 0 },
      { seed: -1 },
      { precision: 'float16' as 'float32' },
      { loss: undefined as unknown as 'external' },
      { optimizer: {} as typeof optimizer },
      { freeze: [/./] },
      { freeze: /conv1/ as unknown as RegExp[] },
      { missing: ['fc1'] as unknown as RegExp[] },
      { weights: { size: 0 } as never },
      { weights: new Map([['fc1.w', 3 as unknown as HostTensor]]) },
      { device: {} as 'cpu' },
      { bacth: 3 } as object,
    ];
    for (const options of wrong)
      expect(await codeOf(smallTrainer(options)), JSON.stringify(options)).to.equal(
        'INVALID_ARGUMENT',
      );
  });
});
