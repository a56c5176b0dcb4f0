import { expect } from 'chai';
import { sequential } from '../../lib/graph/sequential.js';
import {
  batchNorm,
  conv2d,
  dense,
  dropout,
  globalAvgPool2d,
  maxPool2d,
  relu,
} from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { device } from '../../lib/runtime/device.js';
import type { TrainerOptions } from '../../lib/training/trainer.js';

const block = (filters: number) => [
  conv2d({ filters, size: 3, padding: 1, bias: false }),
  batchNorm(),
  relu(),
  dropout({ rate: 0.1 }),
];
const net = sequential(
  [8, 8, 1],
  [
    ...block(8),
    ...block(8),
    maxPool2d({ size: 2 }),
    ...block(12),
    ...block(12),
    globalAvgPool2d(),
    dense({ units: 4 }),
  ],
);

describe('trainer: recompute', () => {
  it('trains the same parameters whatever is made again, in micro-batches too', async () => {
    await using cpu = await device('cpu', { threads: 2 });
    const train = async (options: Partial<TrainerOptions>): Promise<string> => {
      await using trainer = await net.trainer({
        device: cpu,
        batch: 8,
        loss: softmaxCrossEntropy(),
        optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
        ...options,
      });
      for (let step = 0; step < 5; step++) {
        const x = Float32Array.from({ length: 8 * 64 }, (_, i) => Math.sin(i * (step + 1)));
        await trainer.step({ x, target: Int32Array.from({ length: 8 }, (_, i) => i % 4) });
      }
      return await trainer.parametersSha256();
    };
    for (const microBatch of [8, 4]) {
      const plain = await train({ recompute: 'none', microBatch });
      for (const recompute of [undefined, 'light', 'auto', 'sqrt', ['conv*'] as const] as const)
        expect(
          await train({ microBatch, ...(recompute === undefined ? {} : { recompute }) }),
        ).to.equal(plain);
    }
    expect(cpu.memory().categories).to.not.have.property('arena');
  });

  it('refuses what is no way to recompute, and a budget that is too small', async () => {
    const options = { device: 'cpu' as const, loss: softmaxCrossEntropy(), optimizer: sgd() };
    const codeOf = async (recompute: never): Promise<unknown> => {
      try {
        await (await net.trainer({ ...options, recompute })).close();
      } catch (error) {
        return (error as { code: unknown }).code;
      }
      return undefined;
    };
    expect(await codeOf('some' as never)).to.equal('INVALID_ARGUMENT');
    expect(await codeOf({ budget: 'much' } as never)).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(['conv99'] as never)).to.equal('INVALID_ARGUMENT');
    expect(await codeOf({ budget: '10kB' } as never)).to.equal('OUT_OF_DEVICE_MEMORY');
  });
});
