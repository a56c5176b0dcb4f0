import { expect } from 'chai';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { device } from '../../lib/runtime/device.js';
import type { TrainerOptions } from '../../lib/training/trainer.js';
import { errorOf } from '../support/errors.js';
import { smallNetwork } from './support.js';

const recipe = { loss: softmaxCrossEntropy(), optimizer: sgd({ learningRate: 0.01 }) };

describe("trainer: batch 'auto'", () => {
  const net = smallNetwork();
  const options: TrainerOptions = { ...recipe, batch: 'auto' };

  it('is the largest that fits into the limit, and trains', async () => {
    for (const memoryLimit of ['4.5MiB', '5MiB', '6.5MiB']) {
      await using cpu = await device('cpu', { threads: 1, memoryLimit });
      const scratch = cpu.memory().allocated;
      let batch = 0;
      {
        await using trainer = await net.trainer({ ...options, device: cpu });
        ({ batch } = trainer);
        const x = new Uint8Array(batch * 64).fill(9);
        await trainer.step({ x, target: new Int32Array(batch) });
        const { allocatedBytes, plan, allocated } = trainer.memory();
        expect(allocatedBytes).to.equal(plan.totalBytes);
        expect(cpu.memory().allocated - scratch).to.equal(allocatedBytes);
        expect(allocated.input).to.equal(plan.categories.input);
        expect(plan.layers.map(({ name }) => name)).to.include('conv1');
        expect(trainer.memory().device.peak).to.be.at.least(allocatedBytes);
      }
      expect(batch).to.be.within(1, 1024);
      const plan = net.plan({ ...recipe, batch: batch + 1, inputDtype: 'uint8' });
      if (batch < 1024) expect(plan.totalBytes + scratch).to.be.above(cpu.memory().limit);
      expect(cpu.memory().allocated).to.equal(scratch);
    }
  });

  it('stops at 1024 images, and refuses what can never fit', async () => {
    {
      await using trainer = await net.trainer({ ...options, device: 'cpu' });
      expect(trainer.batch).to.equal(1024);
    }
    await using tiny = await device('cpu', { threads: 1, memoryLimit: 2 ** 22 + 4096 });
    const error = (await errorOf(net.trainer({ ...options, device: tiny })))!;
    expect(error.code).to.equal('OUT_OF_DEVICE_MEMORY');
    expect(error.message).to.match(/not even a batch of 1 fits/);
    expect(tiny.memory().blocks).to.equal(1);
    const both = (await errorOf(net.trainer({ ...options, microBatch: 2 })))!;
    expect(both.code).to.equal('INVALID_ARGUMENT');
  });

  it('says what would make a step fit, the cheapest first', async () => {
    await using cpu = await device('cpu', { threads: 1, memoryLimit: '5MiB' });
    const step = async (): Promise<void> => {
      await using trainer = await net.trainer({ ...recipe, device: cpu, batch: 500 });
      await trainer.step({ x: new Uint8Array(500 * 64), target: new Int32Array(500) });
    };
    const error = (await errorOf(step()))!;
    expect(error.code).to.equal('OUT_OF_DEVICE_MEMORY');
    const { largestBatch, remedies, categories } = error.details as Record<string, unknown>;
    expect(largestBatch).to.be.within(1, 499);
    expect((remedies as string[])[0]).to.contain("recompute: 'auto'");
    expect(error.remedy).to.contain(`microBatch: ${String(largestBatch)}`);
    expect(categories).to.have.property('activations');
    await using trainer = await net.trainer({
      ...recipe,
      device: cpu,
      batch: Number(largestBatch),
    });
    expect(trainer.batch).to.equal(largestBatch);
  });
});
