import { expect } from 'chai';
import { data, device, models, sgd, softmaxCrossEntropy, take } from '../../lib/index.js';

/** Live blocks and bytes of the device, and the process's resident memory after a forced collection. */
function measure(memory: { allocated: number; blocks: number }): {
  allocated: number;
  blocks: number;
  resident: number;
} {
  // .mocharc.full.json runs node with --expose-gc.
  for (let i = 0; i < 4; i++) (globalThis.gc as () => void)();
  const { allocated, blocks } = memory;
  return { allocated, blocks, resident: process.memoryUsage.rss() };
}

describe('memory over a long run', () => {
  it('is the same at steps 1,000 and 10,000', async function () {
    this.timeout('30m');
    const { train, test } = await data.mnist();
    await using cpu = await device('cpu');
    await using run = await models.lenet().trainer({
      device: cpu,
      batch: 64,
      loss: softmaxCrossEntropy(),
      optimizer: sgd({ learningRate: 0.01, momentum: 0.9 }),
    });
    const validation = take(test, 1000);
    await run.fit(train, { epochs: 20, maxSteps: 1000, validation });
    const early = measure(cpu.memory());
    await run.fit(train, { epochs: 20, maxSteps: 10_000, validation });
    const late = measure(cpu.memory());
    expect(run.steps).to.equal(10_000);
    expect([late.allocated, late.blocks]).to.deep.equal([early.allocated, early.blocks]);
    const grown = (late.resident - early.resident) / 2 ** 20;
    console.log(`      resident memory: ${grown.toFixed(1)} MiB more at step 10,000`);
    expect(globalThis.gc, 'node --expose-gc').to.be.a('function');
    expect(grown).to.be.below(16);
  });
});
