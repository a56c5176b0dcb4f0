// Runs with test/support/interposer.c preloaded; prints what the addon asked of the operating system.
import { openSync, readSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  device,
  load,
  models,
  sgd,
  softmaxCrossEntropy,
  type Device,
  type Network,
  type Plan,
} from '../../../lib/index.js';

const file = openSync(process.env.STRIATE_COUNTS!, 'r+');
const fields = { live: 0, peak: 1, calls: 2, failAt: 3, failed: 4, smallest: 5 };
type Field = keyof typeof fields;
const count = (field: Field): number => {
  const bytes = Buffer.alloc(8);
  readSync(file, bytes, 0, 8, 8 * fields[field]);
  return Number(bytes.readBigInt64LE());
};
const set = (field: Field, value: number): void => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  writeSync(file, bytes, 0, 8, 8 * fields[field]);
};

const small = { classes: 10, input: [64, 64, 3] as const };
const networks: Record<string, () => Network> = {
  lenet: () => models.lenet(),
  resnet20: () => models.resnet20(),
  alexnet: () => models.alexnetOwt({ classes: 10 }),
  vgg11: () => models.vgg11(small),
  vgg16: () => models.vgg16(small),
  googlenet: () => models.googlenet(small),
  'googlenet-bn': () => models.googlenetBn(small),
  resnet18: () => models.resnet18(small),
  resnet50: () => models.resnet50(small),
  squeezenet: () => models.squeezenet11(small),
  mobilenet: () => models.mobilenet(small),
};
const threads = 2;
const recipe = () => ({
  loss: softmaxCrossEntropy(),
  optimizer: sgd({ learningRate: 1e-3, momentum: 0.9 }),
});
const imagesOf = (net: Network, n: number): Uint8Array =>
  new Uint8Array(net.nodes[net.inputs[0]!]!.shape.reduce((a, b) => a * b, n)).fill(100);

/** Of training and of inference: what the plan says, what was asked for, and the most at one time. */
async function account(make: () => Network, batch: number): Promise<object[]> {
  const net = make();
  const rows: object[] = [];
  const checkpoint = join(tmpdir(), `striate-counted-${process.pid}.safetensors`);
  const measure = async (
    kind: string,
    plan: Plan,
    run: (cpu: Device) => Promise<AsyncDisposable>,
  ): Promise<void> => {
    const before = count('live');
    set('peak', before);
    await using cpu = await device('cpu', { threads });
    const made = await run(cpu);
    const asked = count('live') - before;
    rows.push({ kind, planned: plan.totalBytes, asked, most: count('peak') - before });
    await made[Symbol.asyncDispose]();
  };
  const common = { batch, inputDtype: 'uint8', threads } as const;
  try {
    await measure('training', net.plan({ ...common, ...recipe() }), async (cpu) => {
      const trainer = await net.trainer({ device: cpu, batch, ...recipe() });
      await trainer.step({ x: imagesOf(net, batch), target: new Int32Array(batch) });
      await trainer.save(checkpoint);
      return trainer;
    });
    await measure('inference', net.plan(common), async (cpu) => {
      const model = await load(checkpoint, { device: cpu, batch });
      await model.predict(imagesOf(net, batch));
      return model;
    });
  } finally {
    await rm(checkpoint, { force: true });
  }
  return rows;
}

/** Every block that the device asks for fails once: the errors, and what was left. */
async function faults(): Promise<object[]> {
  const net = models.resnet20();
  const setUp = async (batch: number): Promise<void> => {
    await using cpu = await device('cpu', { threads });
    await using trainer = await net.trainer({ device: cpu, batch, ...recipe() });
    for (const n of [batch, batch - 1])
      await trainer.step({ x: imagesOf(net, n), target: new Int32Array(n) });
    await trainer.predict(imagesOf(net, 2));
  };
  await setUp(4);
  const live = count('live');
  const rows: object[] = [];
  for (let n = 1; n < 200; n++) {
    set('failed', 0);
    set('failAt', n);
    let code: string | null = null;
    try {
      await setUp(4);
    } catch (error) {
      code = (error as { code?: string }).code ?? String(error);
    }
    set('failAt', 0);
    const failed = count('failed');
    rows.push({ n, failed, code, left: count('live') - live });
    if (failed === 0) break;
    // The next smaller batch runs.
    await setUp(3);
  }
  return rows;
}

await (await device('cpu', { threads: 1 })).close(); // loads the addon
set('smallest', 1);
const [what, name = '', batch] = process.argv.slice(2);
console.log(
  JSON.stringify(
    what === 'faults' ? await faults() : await account(networks[name]!, Number(batch)),
  ),
);
