// Training and inference in tf32, bfloat16 and float16 on the emulated card.
import { expect } from 'chai';
import { join } from 'node:path';
import { customLoss, softmaxCrossEntropy } from '../../lib/losses/index.js';
import { lenet } from '../../lib/models/lenet.js';
import { mean, square, sub } from '../../lib/layers/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { device, type Device } from '../../lib/runtime/device.js';
import { readCheckpoint } from '../../lib/training/checkpoint.js';
import { load } from '../../lib/training/model.js';
import { codeOf } from '../support/errors.js';
import { temporaryFolder } from '../support/digits.js';
import {
  digitBatches,
  digitSet,
  distance,
  lossesOf,
  smallResidualNetwork,
  trainerOn,
} from '../cuda/digits.js';
import type { Trainer, TrainerOptions } from '../../lib/training/trainer.js';
import { Card, emulatedLibrary } from '../cuda/emulated.js';

describe('precision on cuda:emulated', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let card: Card;
  let cuda: Device;

  before(async function () {
    card = new Card(emulatedLibrary(this));
    cuda = await device('cuda:emulated');
  });
  after(async () => {
    await cuda?.close();
  });

  /**
   * One rounding changes a value by up to 2^-9 of it in bfloat16 and 2^-12 in float16 and tf32 (half a
   * unit of 7 and of 10 bits of fraction). The losses begin at 2.3, after some ten roundings: `first` is
   * 2.3 times ten of them. Twenty steps with momentum build on one another: `last` is 2.3 times 24 (the
   * largest seen is 20).
   */
  const roundings = (count: number, bits: number): number => 2.3 * count * 2 ** -bits;
  const bounds = {
    bfloat16: { first: roundings(10, 9), last: roundings(24, 9) },
    float16: { first: roundings(10, 12), last: roundings(24, 12) },
    tf32: { first: roundings(10, 12), last: roundings(24, 12) },
  } as const;
  const nets = [
    { name: 'LeNet', make: lenet, pixels: 784 },
    { name: 'the small residual network', make: smallResidualNetwork, pixels: 12 * 12 * 3 },
  ];

  for (const { name, make, pixels } of nets) {
    let expected: number[];
    before(async () => {
      await using trainer = await trainerOn(cuda, make());
      expected = await lossesOf(trainer, digitBatches(5, 8, pixels), 20);
    });
    for (const precision of ['bfloat16', 'float16', 'tf32'] as const)
      it(`${name} in ${precision} has the losses of float32 within ${bounds[precision].last.toFixed(4)}`, async () => {
        await using trainer = await trainerOn(cuda, make(), { precision });
        expect(trainer.precision).to.equal(precision);
        const losses = await lossesOf(trainer, digitBatches(5, 8, pixels), 20);
        const apart = distance(losses, expected);
        expect(Math.abs(losses[0]! - expected[0]!)).to.be.below(bounds[precision].first);
        expect(apart, losses.join(' ')).to.be.within(1e-7, bounds[precision].last);
        expect(trainer.steps).to.equal(20);
      });
  }

  it('a step in 16 bits is one graph launch without allocation', async () => {
    const [batch] = digitBatches(1, 8, 784);
    for (const precision of ['bfloat16', 'float16'] as const) {
      await using trainer = await trainerOn(cuda, lenet(), { precision });
      await trainer.step(batch!);
      const before = card.counts();
      await trainer.step(batch!);
      const after = card.counts();
      expect(after.graphLaunches - before.graphLaunches).to.equal(1);
      expect(after.launches - before.launches).to.equal(0);
      expect(after.allocations - before.allocations).to.equal(0);
    }
  });

  it('an overflow skips the step, halves the scale, and is counted', async () => {
    const batches = digitBatches(5, 8, 784);
    await using trainer = await trainerOn(cuda, lenet(), {
      precision: 'float16',
      lossScale: { initial: 2 ** 22, interval: 3 },
    });
    const start = await trainer.parametersSha256();
    let skipped = 0;
    for (;;) {
      const result = await trainer.step(batches[skipped % 5]!);
      if (!result.skipped) break;
      skipped += 1;
      expect(result.loss).to.be.finite;
      expect(trainer.steps).to.equal(0);
      expect(trainer.lossScale).to.deep.equal({
        scale: 2 ** (22 - skipped),
        goodSteps: 0,
        skippedSteps: skipped,
      });
      expect(await trainer.parametersSha256()).to.equal(start);
    }
    expect(skipped).to.be.within(1, 12);
    expect(await trainer.parametersSha256()).not.to.equal(start);
    const { scale } = trainer.lossScale!;
    await lossesOf(trainer, batches, 2);
    expect(trainer.lossScale).to.deep.equal({
      scale: 2 * scale,
      goodSteps: 0,
      skippedSteps: skipped,
    });
    expect(trainer.steps).to.equal(3);
  });

  it('a skipped step leaves no trace in parameters, momentum and statistics', async () => {
    const batches = digitBatches(3, 8, 12 * 12 * 3);
    const begin = (options: Partial<TrainerOptions>): Promise<Trainer> =>
      trainerOn(cuda, smallResidualNetwork(), { precision: 'float16', ...options });
    const save = async (trainer: Trainer, name: string): Promise<string> => {
      const path = join(folder(), `${name}.safetensors`);
      await trainer.save(path);
      return path;
    };
    await using whole = await begin({ lossScale: 1024 });
    await lossesOf(whole, batches, 1);
    await using skipping = await begin({
      resume: await save(whole, 'before'),
      lossScale: 2 ** 60,
    });
    for (const batch of batches) expect((await skipping.step(batch)).skipped).to.equal(true);
    expect(skipping.lossScale).to.deep.equal({ scale: 2 ** 60, goodSteps: 0, skippedSteps: 3 });
    await using resumed = await begin({ resume: await save(skipping, 'after'), lossScale: 1024 });
    expect(await lossesOf(resumed, batches, 2)).to.deep.equal(await lossesOf(whole, batches, 2));
    expect(await resumed.parametersSha256()).to.equal(await whole.parametersSha256());
    expect(resumed.lossScale!.skippedSteps).to.equal(3);
  });

  it('a loss that is not finite is thrown, and changes not even the scale', async () => {
    const [batch] = digitBatches(1, 8, 784);
    await using trainer = await trainerOn(cuda, lenet(), { precision: 'float16' });
    const x = Float32Array.from(batch!.x);
    x[100] = NaN;
    const before = await trainer.parametersSha256();
    expect(await codeOf(trainer.step({ ...batch!, x }))).to.equal('NOT_FINITE');
    expect(trainer.lossScale).to.deep.equal({ scale: 65536, goodSteps: 0, skippedSteps: 0 });
    expect(await trainer.parametersSha256()).to.equal(before);
  });

  for (const precision of ['bfloat16', 'float16', 'tf32'] as const)
    it(`a resumed run goes on exactly in ${precision}`, async () => {
      const batches = digitBatches(4, 8, 12 * 12 * 3);
      const options = {
        precision,
        ...(precision === 'float16' && { lossScale: { initial: 2 ** 22, interval: 4 } }),
      };
      await using whole = await trainerOn(cuda, smallResidualNetwork(), options);
      await lossesOf(whole, batches, 5);
      const path = join(folder(), `${precision}.safetensors`);
      await whole.save(path);
      const { header, weights } = await readCheckpoint(path);
      expect(header.precision).to.equal(precision);
      expect([...weights.values()].every(({ dtype }) => dtype === 'float32')).to.equal(true);
      await using resumed = await trainerOn(cuda, smallResidualNetwork(), { resume: path });
      expect(resumed.precision).to.equal(precision);
      expect(resumed.lossScale).to.deep.equal(whole.lossScale);
      if (precision === 'float16') expect(header.lossScale).to.include(whole.lossScale);
      expect(await lossesOf(resumed, batches, 6)).to.deep.equal(await lossesOf(whole, batches, 6));
      expect(resumed.lossScale).to.deep.equal(whole.lossScale);
      expect(await resumed.parametersSha256()).to.equal(await whole.parametersSha256());
    });

  it('a 16-bit checkpoint serves on the card in 16 bits, and on the CPU in float32', async () => {
    const set = digitSet(24);
    const [batch] = digitBatches(1, 8, 784);
    for (const precision of ['bfloat16', 'float16', 'tf32'] as const) {
      await using trainer = await trainerOn(cuda, lenet(), { precision });
      await trainer.fit(set, { epochs: 1 });
      const path = join(folder(), `serve-${precision}.safetensors`);
      await trainer.save(path);
      const own = await trainer.predict(batch!.x);
      expect(own.data).to.be.an.instanceOf(Float32Array);
      await using same = await load(path, { device: cuda, batch: 8 });
      expect(same.precision).to.equal(precision);
      expect((await same.predict(batch!.x)).data).to.deep.equal(own.data);
      const measured = await trainer.evaluate(set);
      expect((await same.evaluate(set)).loss).to.be.closeTo(measured.loss, 1e-5);
      await using served = await load(path, { device: 'cpu' });
      expect(served.precision).to.equal('float32');
      const { data } = await served.predict(batch!.x);
      expect(distance(Array.from(data), Array.from(own.data))).to.be.within(1e-7, 0.05);
      expect(await codeOf(load(path, { device: 'cpu', precision }))).to.equal('INVALID_ARGUMENT');
    }
  });

  it('own losses and external ones are scaled too', async () => {
    const [batch] = digitBatches(1, 8, 784);
    const target = Float32Array.from({ length: 80 }, (_, i) => (i % 10 === 0 ? 1 : 0));
    const own = { loss: customLoss((y, t) => mean(square(sub(y, t)))) };
    for (const precision of ['bfloat16', 'float16'] as const) {
      const losses: number[][] = [];
      for (const chosen of ['float32', precision] as const) {
        await using trainer = await trainerOn(cuda, lenet(), { ...own, precision: chosen });
        const found: number[] = [];
        for (let i = 0; i < 4; ++i) found.push((await trainer.step({ x: batch!.x, target })).loss);
        losses.push(found);
      }
      expect(distance(losses[0]!, losses[1]!), losses.join('\n')).to.be.below(
        bounds[precision].last,
      );

      await using byHand = await trainerOn(cuda, lenet(), { loss: 'external', precision });
      await using byLoss = await trainerOn(cuda, lenet(), { loss: own.loss, precision });
      for (let i = 0; i < 2; ++i) {
        const { data } = await byHand.forward(batch!.x);
        await byHand.backward(Float32Array.from(data, (y, k) => (2 * (y - target[k]!)) / 80));
        expect((await byHand.update()).skipped).to.equal(false);
        await byLoss.step({ x: batch!.x, target });
      }
      const [a, b] = [await byHand.weights(), await byLoss.weights()];
      for (const [name, { data }] of a) {
        const other = b.get(name)!.data;
        let most = 0;
        for (let i = 0; i < data.length; ++i)
          most = Math.max(most, Math.abs(Number(data[i]) - Number(other[i])));
        expect(most, name).to.be.below(1e-4);
      }
    }
  });

  it('plans what it allocates: activations cost half', async () => {
    const bytes: Record<string, number> = {};
    for (const precision of ['float32', 'bfloat16'] as const) {
      await using trainer = await trainerOn(cuda, lenet(), { batch: 32, precision });
      const plan = lenet().plan({
        ...{ batch: 32, device: 'cuda', inputDtype: 'uint8', precision },
        ...{ loss: softmaxCrossEntropy(), optimizer: sgd({ momentum: 0.9 }) },
      });
      bytes[precision] = plan.layers.reduce((sum, l) => sum + l.activations, 0);
      expect(trainer.memory().planned.arena).to.equal(plan.arena.bytes);
    }
    expect(bytes.bfloat16! / bytes.float32!).to.be.within(0.5, 0.53);
  });
});
