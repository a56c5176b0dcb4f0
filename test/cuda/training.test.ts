import { expect } from 'chai';
import { join } from 'node:path';
import { lenet } from '../../lib/models/lenet.js';
import { device, type Device } from '../../lib/runtime/device.js';
import { temporaryFolder } from '../support/digits.js';
import {
  digitBatches,
  digitSet,
  distance,
  lossesOf,
  smallResidualNetwork,
  trainerOn,
} from './digits.js';
import { Card, emulatedLibrary } from './emulated.js';

describe('training on cuda:emulated', function () {
  this.timeout(300_000);
  const folder = temporaryFolder();
  let card: Card;
  let cuda: Device;
  let cpu: Device;

  before(async function () {
    card = new Card(emulatedLibrary(this));
    cuda = await device('cuda:emulated');
    cpu = await device('cpu');
  });
  after(async () => {
    await cuda?.close();
    await cpu?.close();
  });

  it('LeNet has the losses of the CPU for 20 steps', async () => {
    const batches = digitBatches(5, 8, 784);
    await using onCpu = await trainerOn(cpu, lenet());
    await using onCuda = await trainerOn(cuda, lenet());
    const expected = await lossesOf(onCpu, batches, 20);
    const losses = await lossesOf(onCuda, batches, 20);
    expect(distance(losses, expected), losses.join(' ')).to.be.below(1e-3);
    expect(losses.at(-1)).to.be.below(losses[0]!);
  });

  it('so has a residual network with batch normalisation and dropout', async () => {
    const batches = digitBatches(5, 8, 12 * 12 * 3);
    await using onCpu = await trainerOn(cpu, smallResidualNetwork());
    await using onCuda = await trainerOn(cuda, smallResidualNetwork());
    const expected = await lossesOf(onCpu, batches, 20);
    const losses = await lossesOf(onCuda, batches, 20);
    expect(distance(losses, expected), losses.join(' ')).to.be.below(1e-3);
  });

  it('resumes from a checkpoint of the CPU, and the CPU from its own', async () => {
    const batches = digitBatches(4, 8, 784);
    await using start = await trainerOn(cpu, lenet());
    await lossesOf(start, batches, 3);
    const path = join(folder(), 'cpu.safetensors');
    await start.save(path);
    await using resumed = await trainerOn(cuda, lenet(), { resume: path });
    expect(
      distance(await lossesOf(resumed, batches, 4), await lossesOf(start, batches, 4)),
    ).to.be.below(1e-3);
    const back = join(folder(), 'cuda.safetensors');
    await resumed.save(back);
    await using again = await trainerOn(cpu, lenet(), { resume: back });
    expect(
      distance(await lossesOf(again, batches, 3), await lossesOf(start, batches, 3)),
    ).to.be.below(1e-3);
  });

  it('trains a set whose last batch is smaller, both slots in turn', async () => {
    const set = digitSet(27);
    const epochs = async (on: Device): Promise<number[]> => {
      await using trainer = await trainerOn(on, lenet());
      const found: number[] = [];
      for await (const epoch of trainer.fit(set, { epochs: 2, validation: set }))
        found.push(epoch.train.loss, epoch.validation!.loss, epoch.validation!.accuracy);
      return found;
    };
    const [onCpu, onCuda] = [await epochs(cpu), await epochs(cuda)];
    expect(distance(onCuda, onCpu), onCuda.join(' ')).to.be.below(1e-3);
  });

  it('a step of LeNet is one graph of at most 30 nodes, without allocation or synchronisation', async () => {
    const [batch] = digitBatches(1, 8, 784);
    await using trainer = await trainerOn(cuda, lenet());
    await trainer.step(batch!);
    const before = card.counts();
    await trainer.step(batch!);
    const after = card.counts();
    expect(after.graphLaunches - before.graphLaunches).to.equal(1);
    expect(after.launches - before.launches).to.equal(0);
    expect(after.allocations - before.allocations).to.equal(0);
    expect(after.hostAllocations - before.hostAllocations).to.equal(0);
    // The wait for what the step returns.
    expect(after.synchronizations - before.synchronizations).to.equal(1);
    // The upload of the two inputs.
    expect(after.copies - before.copies).to.equal(2);
    expect(card.graph().length, card.graph().join(' ')).to.be.at.most(30);
  });

  it('one graph for each batch size met', async () => {
    const [whole] = digitBatches(1, 8, 784);
    const [part] = digitBatches(1, 5, 784);
    await using trainer = await trainerOn(cuda, lenet());
    const launchesOf = async (batch: typeof whole): Promise<number> => {
      const before = card.counts().launches;
      await trainer.step(batch!);
      return card.counts().launches - before;
    };
    expect(await launchesOf(whole)).to.be.above(10);
    expect(await launchesOf(part)).to.be.above(10);
    expect(await launchesOf(whole)).to.equal(0);
    expect(await launchesOf(part)).to.equal(0);
  });

  it('gives the same bits under every schedule and timing', async () => {
    const batches = digitBatches(2, 4, 784);
    const digests = new Set<string>();
    for (const timing of ['late', 'early'] as const)
      for (const order of ['forward', 'reverse', 'shuffled 5'] as const) {
        card.schedule({ order, timing });
        await using trainer = await trainerOn(cuda, lenet(), { batch: 4 });
        await lossesOf(trainer, batches, 2);
        digests.add(await trainer.parametersSha256());
      }
    card.schedule({ order: 'forward', timing: 'late' });
    expect(digests.size).to.equal(1);
  });

  it('with STRIATE_SYNC=1 runs op by op, to the same bits', async () => {
    const batches = digitBatches(2, 8, 784);
    await using replayed = await trainerOn(cuda, lenet());
    const losses = await lossesOf(replayed, batches, 2);
    process.env.STRIATE_SYNC = '1';
    try {
      await using d = await device('cuda:emulated');
      await using trainer = await trainerOn(d, lenet());
      const before = card.counts();
      expect(await lossesOf(trainer, batches, 2)).to.deep.equal(losses);
      expect(card.counts().graphLaunches).to.equal(before.graphLaunches);
      expect(card.counts().synchronizations - before.synchronizations).to.be.above(40);
    } finally {
      delete process.env.STRIATE_SYNC;
    }
  });
});
