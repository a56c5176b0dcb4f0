// A launch that breaks the context: the device is lost for this process, which goes on with the CPU.
// Prints one line of JSON.
import { StriateError } from '../../../lib/errors.js';
import { lenet } from '../../../lib/models/lenet.js';
import { addon } from '../../../lib/runtime/addon.js';
import { findCudaLibrary } from '../../../lib/runtime/cuda.js';
import { device } from '../../../lib/runtime/device.js';
import { digitBatches, trainerOn } from '../digits.js';

const library = findCudaLibrary(true).path!;
const failure = async (
  work: () => Promise<unknown>,
): Promise<{ code: string; message: string }> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof StriateError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: '', message: '' };
};

const [batch] = digitBatches(1, 4, 784);
const cuda = await device('cuda:emulated');
const trainer = await trainerOn(cuda, lenet(), { batch: 4 });
await trainer.step(batch!);
addon().inspectPlugin(library, 'fault sticky 1');
addon().inspectPlugin(library, 'fault launch 1');
const step = await failure(() => trainer.step(batch!));
const eager = await failure(() => cuda.tensor(new Float32Array(4), [4]));
const again = await failure(() => device('cuda:emulated'));
await cuda.close();
const cpu = await trainerOn(await device('cpu'), lenet(), { batch: 4 });
const { loss } = await cpu.step(batch!);
process.stdout.write(`${JSON.stringify({ step, eager, again, loss })}\n`);
process.exit(0);
