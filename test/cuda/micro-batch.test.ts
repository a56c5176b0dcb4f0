// Micro-batches and averaged parameters on the emulated card are those of the processor.
import { expect } from 'chai';
import { device, type Device } from '../../lib/runtime/device.js';
import type { TrainerOptions } from '../../lib/training/trainer.js';
import { digitBatches, distance, smallResidualNetwork, trainerOn } from './digits.js';
import { emulatedLibrary } from './emulated.js';

const batches = digitBatches(4, 8, 12 * 12 * 3);

describe('micro-batches on cuda:emulated', function () {
  this.timeout(300_000);
  let cuda: Device;
  let cpu: Device;

  before(async function () {
    emulatedLibrary(this);
    cuda = await device('cuda:emulated');
    cpu = await device('cpu');
  });
  after(async () => {
    await cuda?.close();
    await cpu?.close();
  });

  for (const [name, options] of [
    ['micro-batches', { microBatch: 3 }],
    ['averaged parameters', { average: { decay: 0.75 } }],
    ['both', { microBatch: 3, average: { decay: 0.75 } }],
  ] as const)
    it(`${name}: parameters, averages and running statistics are those of the CPU`, async () => {
      const train = async (on: Device) => {
        const given: Partial<TrainerOptions> = options;
        await using trainer = await trainerOn(on, smallResidualNetwork(), given);
        for (const some of batches) await trainer.step(some);
        const averaged = 'average' in options;
        const { data } = await trainer.predict(batches[0]!.x, { averaged });
        return { data, weights: await trainer.weights({ averaged }) };
      };
      const expected = await train(cpu);
      const found = await train(cuda);
      expect(distance([...found.data], [...expected.data])).to.be.below(1e-3);
      for (const [key, { data }] of expected.weights) {
        const other = found.weights.get(key)!.data as Float32Array;
        expect(distance([...other], [...(data as Float32Array)]), key).to.be.below(1e-3);
      }
    });

  it('in 16 bits go on after a step that overflowed, statistics as before', async () => {
    await using trainer = await trainerOn(cuda, smallResidualNetwork(), {
      ...{ microBatch: 3, precision: 'float16', lossScale: { initial: 2 ** 40 } },
    });
    const before = await trainer.parametersSha256();
    const { skipped } = await trainer.step(batches[0]!);
    expect(skipped).to.equal(true);
    expect(await trainer.parametersSha256()).to.equal(before);
    let steps = 0;
    while ((await trainer.step(batches[1]!)).skipped && steps < 60) steps++;
    expect(trainer.steps).to.equal(1);
    expect(await trainer.parametersSha256()).to.not.equal(before);
  });
});
