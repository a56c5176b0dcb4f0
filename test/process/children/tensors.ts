// Leaves tensors alive, or to the garbage collector; prints what liveTensors() says.
import { device, liveTensors } from '../../../lib/index.js';

const cpu = await device('cpu', { threads: 1 });
async function makeOne(): Promise<unknown> {
  return await cpu.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
}
const kept = await makeOne();
(await cpu.tensor([1], [1])).dispose();
const sum = await cpu.ops.relu(kept as never);
console.log(JSON.stringify(liveTensors()));
sum.dispose();
if (process.argv[2] === 'clean') (kept as { dispose(): void }).dispose();
