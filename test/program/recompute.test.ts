import { expect } from 'chai';
import { network, type Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input } from '../../lib/graph/value.js';
import {
  batchNorm,
  conv2d,
  dense,
  dropout,
  flatten,
  globalAvgPool2d,
  maxPool2d,
  relu,
} from '../../lib/layers/index.js';
import { googlenetBn, resnet18, vgg16 } from '../../lib/models/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { compileTraining, type TrainingOptions } from '../../lib/program/compile.js';
import { Plan } from '../../lib/program/plan.js';
import type { Program } from '../../lib/program/program.js';
import type { Recompute } from '../../lib/program/recompute-options.js';
import { verify } from '../../lib/program/verify.js';
import { device, type Device } from '../../lib/runtime/device.js';
import { Bench, labels, noise } from './device.js';
import {
  diamond,
  lenet,
  mixture,
  named,
  nestedConcat,
  randomNetwork,
  recipe,
  residual,
  sharedLayer,
} from './nets.js';

const optimizer = sgd({ momentum: 0.9, weightDecay: 1e-3 });
const modes: readonly Recompute[] = ['light', 'sqrt', 'auto', ['*']];

function train(
  net: Network,
  recompute: Recompute,
  options: Partial<TrainingOptions> = {},
): Program {
  return compileTraining(net, { ...recipe, optimizer, recompute, ...options });
}

/** Convolutions, batch normalisation, dropout and pooling, deep enough for segments. */
function deep(): Network {
  const block = (filters: number) => [
    conv2d({ filters, size: 3, padding: 1, bias: false }),
    batchNorm(),
    relu(),
    dropout({ rate: 0.2 }),
  ];
  return sequential(
    [8, 8, 2],
    [
      ...block(4),
      ...block(5),
      maxPool2d({ size: 2 }),
      ...block(6),
      ...block(6),
      ...block(7),
      relu(),
      maxPool2d({ size: 2 }),
      flatten(),
      dense({ units: 8 }),
      relu(),
      dropout({ rate: 0.5 }),
      dense({ units: 3 }),
    ],
  );
}

describe('recomputation', () => {
  let cpu: Device;
  before(async () => {
    cpu = await device('cpu', { threads: 1 });
  });
  after(async () => {
    await cpu.close();
  });

  /** Losses, parameters, running statistics and slots after some steps from poisoned memory. */
  async function steps(net: Network, program: Program, count: number, n: number): Promise<Buffer> {
    const bench = new Bench(cpu, program);
    await bench.initialize(net);
    const [images] = program.inputs;
    const elements = images!.shape.reduce((a, b) => a * b, n);
    const losses: number[] = [];
    for (let step = 0; step < count; step++) {
      await bench.poison();
      const values = Float32Array.from(noise(elements, step));
      bench.executable.stage(0, { images: values, target: labels(n, 3) });
      const { outputs, committed } = await bench.executable.run({
        n,
        control: { step, seed: 11, learningRate: 0.05 },
      });
      expect(committed).to.equal(true);
      losses.push(outputs.statistics![0]!);
    }
    const parts = await Promise.all(
      (['parameters', 'state', 'optimizer'] as const).map((region) => bench.bytes(region)),
    );
    bench.dispose();
    return Buffer.concat([Buffer.from(Float64Array.from(losses).buffer), ...parts]);
  }

  it('gives the bits of the plain run over 20 steps: batch normalisation and dropout', async () => {
    for (const net of [deep(), mixture(), residual()]) {
      const plain = await steps(net, train(net, 'none'), 20, 4);
      const reduced = modes.map((mode) => train(net, mode));
      const budget = Math.ceil(0.9 * new Plan(train(net, 'light')).totalBytes);
      const isolated = train(net, 'auto', { isolate: true });
      for (const [i, program] of [...reduced, isolated].entries())
        expect((await steps(net, program, 20, 4)).equals(plain), `program ${i}`).to.equal(true);
      if (net.nodes.length < 20) continue;
      const fitted = train(net, { budget });
      expect(new Plan(fitted).totalBytes).to.be.at.most(budget);
      expect((await steps(net, fitted, 20, 4)).equals(plain), 'budget').to.equal(true);
    }
  }).timeout(60_000);

  it('gives the bits of the plain run: other graphs, a part of the batch', async () => {
    const nets = [nestedConcat(), diamond(), sharedLayer()];
    for (let seed = 0; seed < 25; seed++) nets.push(randomNetwork(seed));
    for (const [i, net] of nets.entries()) {
      const plain = await steps(net, train(net, 'none'), 3, 3);
      for (const mode of modes)
        expect(
          (await steps(net, train(net, mode), 3, 3)).equals(plain),
          `network ${i}, ${JSON.stringify(mode)}`,
        ).to.equal(true);
    }
  }).timeout(120_000);

  it('is sound and never larger than the plain plan', () => {
    const nets = [lenet(), nestedConcat(), mixture(), deep()];
    for (let seed = 0; seed < 40; seed++) nets.push(randomNetwork(seed));
    for (const net of nets) {
      const plain = new Plan(train(net, 'none')).arena.lowerBound;
      for (const mode of modes) {
        const program = train(net, mode);
        expect(verify(program)).to.deep.equal([]);
        if (mode === 'light' || mode === 'auto')
          expect(new Plan(program).arena.lowerBound).to.be.at.most(plain * 1.02 + 256);
      }
    }
  }).timeout(60_000);

  it('computes no convolution twice by default, and updates running statistics once always', () => {
    for (const net of [resnet18({ classes: 10, input: [64, 64, 3] }), deep()]) {
      const count = (mode: Recompute, op: string): number => named(train(net, mode), op).length;
      for (const op of ['conv2d', 'batchNorm', 'batchNormUpdate'])
        expect(count('light', op), op).to.equal(count('none', op));
      expect(count('light', 'batchNormApply')).to.be.above(0);
      expect(count('none', 'batchNormApply')).to.equal(0);
      for (const mode of ['sqrt', 'auto'] as const) {
        expect(count(mode, 'conv2d')).to.be.above(count('none', 'conv2d'));
        for (const op of ['batchNorm', 'batchNormUpdate'])
          expect(count(mode, op)).to.equal(count('none', op));
      }
    }
  });

  it('rectifies after the pooling, and keeps what is smaller', () => {
    const x = input([8, 8, 3]);
    const net = network(
      x,
      dense({ units: 3 })(
        globalAvgPool2d()(maxPool2d({ size: 2 })(relu()(conv2d({ filters: 4, size: 1 })(x)))),
      ),
    );
    const ops = (mode: Recompute): string[] =>
      train(net, mode).instructions.flatMap(({ op, phase }) => (phase === 'forward' ? [op] : []));
    expect(ops('light').slice(0, 3)).to.deep.equal(['conv2d', 'maxPool2d', 'relu']);
    expect(ops('none').slice(0, 2)).to.deep.equal(['conv2d', 'maxPool2d']);
  });

  it('takes less, the more is made again', () => {
    const small = { classes: 10, input: [64, 64, 3] as const };
    for (const net of [resnet18(small), googlenetBn(small), vgg16(small)]) {
      const [none, light, auto] = (['none', 'light', 'auto'] as const).map(
        // So many images that the workspaces of the convolutions count for little.
        (mode) => new Plan(train(net, mode, { batch: 32 })).arena.bytes,
      );
      expect(light).to.be.below(0.8 * none!);
      expect(auto).to.be.at.most(light!);
    }
  }).timeout(30_000);

  it('drops what named layers make', () => {
    const net = deep();
    const program = train(net, ['conv2', 'conv3']);
    const again = program.instructions.filter(
      ({ op, phase }) => op === 'conv2d' && phase === 'backward',
    );
    expect(again.map(({ layer }) => layer).sort()).to.deep.equal(['conv2', 'conv3']);
    expect(() => train(net, ['conv7'])).to.throw('names no layer: conv7');
    expect(() => train(net, 'all' as never)).to.throw('recompute is "all"');
  });

  it('refuses a budget that nothing meets, and says what would do', () => {
    const net = deep();
    let error: { code?: string; details?: { smallest?: number; largestBatch?: number } } = {};
    try {
      train(net, { budget: 10_000 });
    } catch (thrown) {
      error = thrown as typeof error;
    }
    expect(error.code).to.equal('OUT_OF_DEVICE_MEMORY');
    const budget = error.details!.smallest!;
    expect(new Plan(train(net, { budget })).totalBytes).to.be.at.most(budget);
    expect(() => train(net, { budget: Math.floor(0.97 * budget) })).to.throw('is too small');
  });
});
