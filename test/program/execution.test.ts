import { expect } from 'chai';
import type { Network } from '../../lib/graph/network.js';
import { mean, square, sub } from '../../lib/layers/index.js';
import { customLoss } from '../../lib/losses/custom.js';
import type { Loss } from '../../lib/losses/loss.js';
import { sgd } from '../../lib/optimizers/index.js';
import { compileEvaluation, compileInference, compileTraining } from '../../lib/program/compile.js';
import { Plan } from '../../lib/program/plan.js';
import type { Program } from '../../lib/program/program.js';
import { device, type Device } from '../../lib/runtime/device.js';
import { Executable } from '../../lib/runtime/executable.js';
import { Bench, labels, noise } from './device.js';
import {
  diamond,
  lenet,
  mixture,
  nestedConcat,
  randomNetwork,
  recipe,
  residual,
  sharedLayer,
} from './nets.js';

const control = { step: 3, seed: 11, learningRate: 0 };

function imagesOf(program: Program, n: number, seed: number): Float64Array | Float32Array {
  const elements = program.inputs[0]!.shape.reduce((a, b) => a * b, n);
  const values = noise(elements, seed);
  return program.dtype === 'float64' ? values : Float32Array.from(values);
}

describe('compiled programs on a device', () => {
  let cpu: Device;
  before(async () => {
    cpu = await device('cpu', { threads: 1 });
  });
  after(async () => {
    await cpu.close();
  });

  /** Norm of the difference to central differences over the norm of the gradient, all parameters. */
  async function gradientError(net: Network, loss: Loss): Promise<number> {
    const n = 4;
    const program = compileTraining(net, { ...recipe, loss, precision: 'float64' });
    const bench = new Bench(cpu, program);
    await bench.initialize(net);
    const target = program.inputs[1]!;
    bench.executable.stage(0, {
      images: imagesOf(program, n, 5),
      target: target.dtype === 'int32' ? labels(n, 3) : noise(3 * n, 9),
    });
    const lossOf = async (): Promise<number> => {
      const { outputs } = await bench.executable.run({ n, control });
      const { statistics, loss: scalar } = outputs;
      return statistics === undefined ? scalar![0]! : statistics[0]! / statistics[1]!;
    };
    let error = 0;
    let norm = 0;
    for (const { name, trainable } of program.parameters) {
      if (!trainable) continue;
      await lossOf();
      const gradient = await bench.read(name, 'gradients');
      const values = await bench.read(name);
      for (let i = 0; i < values.length; i += 1 + Math.floor(values.length / 60)) {
        const step = 1e-5;
        const at = async (by: number): Promise<number> => {
          const moved = values.slice();
          moved[i]! += by;
          await bench.write(name, moved);
          return lossOf();
        };
        const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
        error += (numeric - gradient[i]!) ** 2;
        norm += numeric ** 2;
      }
      await bench.write(name, values);
    }
    bench.dispose();
    return Math.sqrt(error / norm);
  }

  const meanSquare = customLoss((y, target) => mean(square(sub(y, target))), {
    shape: [3],
    dtype: 'float32',
  });

  it('has the gradients of central differences: branch, concat, BN, pooling, dropout, shared layer', async () => {
    expect(await gradientError(mixture(), recipe.loss)).to.be.below(1e-7);
    expect(await gradientError(mixture(), meanSquare)).to.be.below(1e-7);
  }).timeout(60_000);

  it('has the gradients of central differences: other graphs', async () => {
    for (const net of [diamond(), residual(), nestedConcat(), sharedLayer()])
      expect(await gradientError(net, recipe.loss)).to.be.below(1e-7);
    for (let seed = 0; seed < 8; seed++)
      expect(await gradientError(randomNetwork(seed), recipe.loss), `seed ${seed}`).to.be.below(
        1e-6,
      );
  }).timeout(120_000);

  /** Parameters, state and slots after three steps, from poisoned memory. */
  async function threeSteps(net: Network, isolate: boolean, batch = 5, n = 5): Promise<Buffer> {
    const optimizer = sgd({ momentum: 0.9, weightDecay: 1e-3 });
    const program = compileTraining(net, { ...recipe, optimizer, batch, isolate });
    const bench = new Bench(cpu, program);
    await bench.initialize(net);
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) {
      await bench.poison();
      bench.executable.stage(0, { images: imagesOf(program, n, step), target: labels(n, 3) });
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

  it('computes the same bits with and without reuse of memory, from poisoned memory', async () => {
    const nets = [mixture(), residual(), nestedConcat(), diamond(), sharedLayer()];
    for (let seed = 0; seed < 25; seed++) nets.push(randomNetwork(seed));
    for (const [i, net] of nets.entries()) {
      const [reused, isolated] = [await threeSteps(net, false), await threeSteps(net, true)];
      expect(reused.equals(isolated), `network ${i}`).to.equal(true);
    }
  }).timeout(60_000);

  it('runs a part of the planned batch as a program of that batch would', async () => {
    for (const net of [mixture(), nestedConcat()])
      expect(
        (await threeSteps(net, false, 7, 3)).equals(await threeSteps(net, false, 3, 3)),
      ).to.equal(true);
  });

  it('gives the gradients of the loss when the caller brings dy', async () => {
    const n = 4;
    const net = mixture();
    const own = new Bench(
      cpu,
      compileTraining(net, { ...recipe, loss: meanSquare, precision: 'float64' }),
    );
    const split = new Bench(
      cpu,
      compileTraining(net, { ...recipe, loss: 'external', precision: 'float64' }),
    );
    for (const bench of [own, split]) await bench.initialize(net);
    const images = imagesOf(own.program, n, 5);
    const target = noise(3 * n, 9);
    own.executable.stage(0, { images, target });
    await own.executable.run({ n, control });
    split.executable.stage(0, { images });
    const { outputs } = await split.executable.run({ n, control, range: 'forward' });
    const y = outputs.output as Float64Array;
    split.executable.stage(0, { dy: y.map((v, i) => (2 * (v - target[i]!)) / (3 * n)) });
    await split.executable.run({ n, control, range: 'backward', outputs: [] });
    await split.executable.run({ n, control, range: 'update', outputs: [] });
    for (const { name, trainable } of own.program.parameters) {
      if (!trainable) continue;
      const [a, b] = [await own.read(name, 'gradients'), await split.read(name, 'gradients')];
      a.forEach((v, i) => expect(b[i]).to.be.closeTo(v, 1e-13));
    }
    expect((await own.bytes('state')).equals(await split.bytes('state'))).to.equal(true);
  });

  it('evaluates and infers with the parameters of the training program', async () => {
    const n = 3;
    const net = lenet();
    const train = new Bench(cpu, compileTraining(net, { ...recipe, batch: n }));
    await train.initialize(net);
    const layout = train.program;
    const evaluation = compileEvaluation(net, {
      batch: n,
      loss: recipe.loss,
      layout,
      logits: true,
    });
    const evaluate = new Bench(
      cpu,
      evaluation,
      train.memory.parameters && { parameters: train.memory.parameters },
    );
    const infer = new Bench(cpu, compileInference(net, { batch: n, layout }), {
      parameters: train.memory.parameters!,
    });
    const images = imagesOf(layout, n, 1);
    const target = labels(n, 10);
    train.executable.stage(0, { images, target });
    evaluate.executable.stage(1, { images, target });
    infer.executable.stage(0, { images });
    const trained = await train.executable.run({ n, control });
    const evaluated = await evaluate.executable.run({ n, slot: 1 });
    const inferred = await infer.executable.run({ n });
    expect(evaluated.outputs.statistics).to.deep.equal(trained.outputs.statistics);
    expect(inferred.outputs.output).to.deep.equal(evaluated.outputs.logits);
  });

  it('leaves parameters, momentum and statistics alone when a number is not finite', async () => {
    const net = residual();
    const bench = new Bench(cpu, compileTraining(net, recipe));
    await bench.initialize(net);
    const read = (): Promise<Buffer[]> =>
      Promise.all((['parameters', 'state', 'optimizer'] as const).map((r) => bench.bytes(r)));
    const before = await read();
    const images = imagesOf(bench.program, 4, 1);
    images[17] = NaN;
    bench.executable.stage(0, { images, target: labels(4, 3) });
    const { committed } = await bench.executable.run({ n: 4, control: { learningRate: 0.1 } });
    expect(committed).to.equal(false);
    (await read()).forEach((bytes, i) => expect(bytes.equals(before[i]!)).to.equal(true));
  });

  it('allocates what the plan says, and nothing in a run', async () => {
    await using own = await device('cpu', { threads: 1 });
    for (const net of [mixture(), residual()]) {
      const program = compileTraining(net, recipe);
      const before = own.memory();
      const executable = new Executable(own, program);
      const held = own.memory();
      expect(held.allocated - before.allocated).to.equal(new Plan(program).totalBytes);
      executable.stage(0, { images: imagesOf(program, 4, 1), target: labels(4, 3) });
      for (let step = 0; step < 3; step++) await executable.run({ n: 4, control: { step } });
      expect(own.memory()).to.deep.include({ allocated: held.allocated, blocks: held.blocks });
      executable.dispose();
      await own.native.synchronize();
      expect(own.memory().allocated).to.equal(before.allocated);
    }
  });
});
