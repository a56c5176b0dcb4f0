import { expect } from 'chai';
import { StriateError } from '../../lib/errors.js';
import { lenet } from '../../lib/models/lenet.js';
import { device } from '../../lib/runtime/device.js';
import { start } from '../support/striate.js';
import { digitBatches, trainerOn } from './digits.js';
import { Card, emulatedLibrary } from './emulated.js';

/** The StriateError that `work` ends with; undefined when it succeeds. */
async function failure(work: () => Promise<unknown>): Promise<StriateError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof StriateError) return error;
    throw error;
  }
}

describe('faults of the emulated card', function () {
  this.timeout(300_000);
  let card: Card;
  const [batch] = digitBatches(1, 2, 784);
  const [smaller] = digitBatches(1, 1, 784);

  before(function () {
    card = new Card(emulatedLibrary(this));
  });
  afterEach(() => {
    card?.fail('allocation', 0);
    card?.fail('launch', 0);
  });

  it('any allocation of a set-up fails: a typed error, nothing leaked, the next try works', async () => {
    const empty = card.counts();
    const setUp = async (): Promise<void> => {
      await using d = await device('cuda:emulated');
      await using trainer = await trainerOn(d, lenet(), { batch: 2 });
      await trainer.step(batch!);
      await trainer.step(smaller!); // a change of the batch
    };
    await setUp();
    const whole = card.counts();
    const allocations = whole.allocations - empty.allocations;
    const pinned = whole.hostAllocations - empty.hostAllocations;
    // The handle of cuBLASLt and the two graphs allocate as well.
    const total = allocations + pinned + 3;
    let failures = 0;
    for (let n = 1; n <= total; ++n) {
      card.fail('allocation', n);
      const error = await failure(setUp);
      card.fail('allocation', 0);
      const { blocks, pinnedBlocks } = card.counts();
      expect([blocks, pinnedBlocks], `allocation ${n}`).to.deep.equal([
        empty.blocks,
        empty.pinnedBlocks,
      ]);
      // Planned memory is asked for again when the pool of eager tensors has given back what it kept.
      if (error === undefined) continue;
      failures += 1;
      expect(error.code, `allocation ${n}: ${error.message}`).to.equal('OUT_OF_DEVICE_MEMORY');
    }
    expect(failures).to.be.at.least(pinned + 3);
    expect(await failure(setUp)).to.equal(undefined);
  });

  it('any allocation of a batch change fails: a typed error, the trainer is as it was, the next try works', async () => {
    await using d = await device('cuda:emulated');
    let failures = 0;
    for (let n = 1; n < 100; ++n) {
      await using trainer = await trainerOn(d, lenet(), { batch: 2 });
      await trainer.step(batch!);
      const parameters = await trainer.parametersSha256();
      const before = card.counts();
      card.fail('allocation', n);
      const error = await failure(() => trainer.step(smaller!));
      card.fail('allocation', 0);
      if (error === undefined) break;
      failures += 1;
      expect(error.code, `allocation ${n}: ${error.message}`).to.equal('OUT_OF_DEVICE_MEMORY');
      const { blocks, pinnedBlocks } = card.counts();
      expect([blocks, pinnedBlocks], `allocation ${n}`).to.deep.equal([
        before.blocks,
        before.pinnedBlocks,
      ]);
      expect(await trainer.parametersSha256(), `allocation ${n}`).to.equal(parameters);
    }
    // Pinned memory for what a run returns, and the graph.
    expect(failures).to.be.within(1, 98);
    await using trainer = await trainerOn(d, lenet(), { batch: 2 });
    await trainer.step(batch!);
    expect(await failure(() => trainer.step(smaller!))).to.equal(undefined);
  });

  it('any launch of a batch change fails: nothing was changed, the device is usable', async () => {
    await using d = await device('cuda:emulated');
    let n = 1;
    for (; n < 100; ++n) {
      await using trainer = await trainerOn(d, lenet(), { batch: 2 });
      await trainer.step(batch!);
      const before = await trainer.parametersSha256();
      card.fail('launch', n);
      const error = await failure(() => trainer.step(smaller!));
      card.fail('launch', 0);
      if (error === undefined) break;
      expect(error.code, `launch ${n}: ${error.message}`).to.equal('DEVICE_ERROR');
      expect(await trainer.parametersSha256(), `launch ${n}`).to.equal(before);
      const y = await d.ops.relu(await d.tensor(Float32Array.of(-1, 2), [2]));
      expect(Array.from(await y.read())).to.deep.equal([0, 2]);
    }
    expect(n).to.be.within(20, 99);
  });

  it('any launch of a step fails: the program is unusable, the device is not, nothing was changed', async () => {
    await using d = await device('cuda:emulated');
    let n = 1;
    for (; n < 100; ++n) {
      await using trainer = await trainerOn(d, lenet(), { batch: 2 });
      const before = await trainer.parametersSha256();
      card.fail('launch', n);
      const error = await failure(() => trainer.step(batch!));
      card.fail('launch', 0);
      if (error === undefined) break;
      expect(error.code, error.message).to.equal('DEVICE_ERROR');
      expect(error.message).to.match(/launch|cublasLt|cudaGraphLaunch/i);
      expect((await failure(() => trainer.step(batch!)))?.code).to.equal('DEVICE_ERROR');
      expect(await trainer.parametersSha256()).to.equal(before);
      const y = await d.ops.relu(await d.tensor(Float32Array.of(-1, 2), [2]));
      expect(Array.from(await y.read())).to.deep.equal([0, 2]);
    }
    expect(n).to.be.within(20, 99);
  });

  it('names layer and op of a launch that fails, and the step where a graph is replayed', async () => {
    await using d = await device('cuda:emulated');
    await using trainer = await trainerOn(d, lenet(), { batch: 2 });
    card.fail('launch', 2);
    const recorded = await failure(() => trainer.step(batch!));
    expect(recorded?.message).to.match(/conv1 conv2d .*launch of im2col failed: cudaError/);
    await using second = await trainerOn(d, lenet(), { batch: 2 });
    await second.step(batch!);
    card.fail('launch', 1);
    const replayed = await failure(() => second.step(batch!));
    expect(replayed?.code).to.equal('DEVICE_ERROR');
    expect(replayed?.message).to.match(/cudaGraphLaunch failed: cudaError/);
  });

  it('a sticky error loses the device for the process, which lives on', async () => {
    const script = new URL('./children/sticky.mts', import.meta.url).pathname;
    const { ended } = start(process.execPath, ['--import=tsx', script], {});
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).to.equal(0);
    const seen = JSON.parse(stdout) as Record<'step' | 'eager' | 'again', StriateError> & {
      loss: number;
    };
    expect(seen.step.code, seen.step.message).to.equal('DEVICE_LOST');
    expect(seen.eager.code).to.equal('DEVICE_LOST');
    expect(seen.again.code).to.equal('DEVICE_LOST');
    expect(seen.loss).to.be.above(0);
  });
});
