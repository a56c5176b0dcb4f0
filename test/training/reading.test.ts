// Values of layers and gradients by them, of trainers and models.
import { expect } from 'chai';
import { load } from '../../lib/index.js';
import type { Network } from '../../lib/graph/network.js';
import { network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input, type Value } from '../../lib/graph/value.js';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  dense,
  dropout,
  flatten,
  maxPool2d,
  mean,
  relu,
  square,
  sub,
} from '../../lib/layers/index.js';
import { meanSquaredError, svmHinge } from '../../lib/losses/index.js';
import type { TrainerOptions } from '../../lib/training/trainer.js';
import { Weights, type HostTensor } from '../../lib/training/weights.js';
import { codeOf, errorOf } from '../support/errors.js';
import { labels, noise } from '../program/device.js';
import { closeTrainers, quadrants, smallTrainer, temporaryFolder } from './support.js';

const remedyOf = async (call: Promise<unknown>): Promise<string> => {
  const error = (await errorOf(call)) as { code?: string; remedy?: string };
  expect(error.code).to.equal('INVALID_ARGUMENT');
  return error.remedy ?? '';
};

/** A shared convolution, a branch that is joined in two ways, dropout, and an auxiliary branch. */
function branching(): Network {
  const x = input([6, 6, 2], { name: 'photos' });
  const shared = conv2d({ filters: 2, size: 3, padding: 1, name: 'shared' });
  const once = relu()(shared(x));
  const twice = relu()(batchNorm()(shared(once)));
  const sum = add(once, twice);
  const joined = concat(sum, conv2d({ filters: 3, size: 1, name: 'side' })(sum));
  const pooled = flatten()(maxPool2d({ size: 2, stride: 2 })(joined));
  const output = dense({ units: 4, name: 'head' })(dropout({ rate: 0.5 })(pooled));
  const branch = dense({ units: 4, name: 'aux/head' })(flatten()(once));
  return network(x, output, { auxiliary: [{ output: branch, weight: 0.3 }] });
}

const pixels = 72;
const n = 7;
const images = Float64Array.from(noise(n * pixels, 3));
const target = Int32Array.of(0, 3, -1, 2, 1, 1, 0);
const double: Partial<TrainerOptions> = {
  ...({ device: 'cpu', precision: 'float64', batch: 3 } as const),
  preprocess: { scale: 0.5, mean: [0.1, -0.2], std: [0.7, 2] },
};

describe('activations', () => {
  closeTrainers();
  const file = temporaryFolder();
  const x = new Uint8Array(20 * 64).map((_, i) => (i * 37) % 251);

  it('are those of the layers, for any number of images', async () => {
    const trainer = await smallTrainer();
    await trainer.fit(quadrants(64));
    const names = ['conv1', 'bn1', 'relu1', 'pool1', 'flatten1', 'fc2', 'relu1'];
    const found = await trainer.activations(x, names);
    expect([...found.keys()]).to.deep.equal(names.slice(0, -1));
    expect(found.get('conv1')!.shape).to.deep.equal([20, 8, 8, 6]);
    const [normalised, rectified] = [found.get('bn1')!.data, found.get('relu1')!.data];
    expect(rectified).to.deep.equal(normalised.map((v) => Math.max(0, v)));
    expect(normalised.some((v) => v < 0)).to.equal(true);
    expect(found.get('flatten1')!.data).to.deep.equal(found.get('pool1')!.data);
    expect(found.get('fc2')!.data).to.deep.equal((await trainer.predict(x)).data);
  });

  it('are the same of a loaded model, also at once with predictions', async () => {
    const trainer = await smallTrainer();
    await trainer.save(file('small.safetensors'));
    await using model = await load(file('small.safetensors'), { device: 'cpu', batch: 3 });
    const [own, loaded, predicted] = await Promise.all([
      trainer.activations(x, ['relu2']),
      model.activations(x, ['relu2']),
      model.predict(x),
    ]);
    expect(loaded.get('relu2')).to.deep.equal(own.get('relu2'));
    expect(predicted.data).to.deep.equal((await trainer.predict(x)).data);
  });

  it('know every application of a shared layer, auxiliary branches and the input', async () => {
    const trainer = await smallTrainer(double, branching());
    const names = ['photos', 'shared', 'shared:2', 'bn1', 'aux/head', 'head'];
    const found = await trainer.activations(images, names);
    const given = found.get('photos')!.data;
    const expected = images.map((v, i) => (v * 0.5 - [0.1, -0.2][i % 2]!) / [0.7, 2][i % 2]!);
    for (const [i, v] of given.entries()) expect(v).to.be.closeTo(expected[i]!, 1e-7);
    expect(found.get('shared:2')!.data).to.not.deep.equal(found.get('shared')!.data);
    expect(found.get('aux/head')!.shape).to.deep.equal([n, 4]);
    expect(found.get('head')!.data).to.deep.equal((await trainer.predict(images)).data);
  });

  it('can be those of the averaged parameters', async () => {
    const trainer = await smallTrainer({ average: { decay: 0.5 } });
    await trainer.fit(quadrants(64));
    const averaged = await trainer.activations(x, ['fc2'], { averaged: true });
    const { data } = await trainer.predict(x, { averaged: true });
    expect(averaged.get('fc2')!.data).to.deep.equal(data);
    const last = await trainer.activations(x, ['fc2']);
    expect(last.get('fc2')!.data).to.not.deep.equal(data);
  });

  it('refuse names that no layer has, and name the nearest', async () => {
    const trainer = await smallTrainer();
    expect(await remedyOf(trainer.activations(x, ['conv2']))).to.contain("'conv1'");
    expect(await remedyOf(trainer.activations(x, ['fc2:2']))).to.contain("'fc2'");
    expect(await remedyOf(trainer.activations(x, ['nothing alike']))).to.contain('summary');
    expect(await codeOf(trainer.activations(x, []))).to.equal('INVALID_ARGUMENT');
    await trainer.close();
    expect(await codeOf(trainer.activations(x, ['conv1']))).to.equal('DISPOSED');
  });
});

/** The mean of `-log softmax` over the labels that count, from raw outputs. */
function crossEntropy(logits: ArrayLike<number>): number {
  const losses = [...target].flatMap((label, i) => {
    const row = Array.from({ length: 4 }, (_, k) => logits[4 * i + k]!);
    if (label < 0) return [];
    return [Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[label]!];
  });
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}

/** Each pixel's central difference of a function of the outputs. */
async function differences(
  of: (outputs: ArrayLike<number>) => number,
  predict: (x: Float64Array) => Promise<{ data: ArrayLike<number> }>,
): Promise<number[]> {
  const step = 1e-5;
  const found: number[] = [];
  for (let i = 0; i < images.length; i++) {
    const [more, less] = [images.with(i, images[i]! + step), images.with(i, images[i]! - step)];
    const [a, b] = await Promise.all([predict(more), predict(less)]);
    found.push((of(a.data) - of(b.data)) / (2 * step));
  }
  return found;
}

function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, by: number): void {
  expect(found.length).to.equal(expected.length);
  const size = Math.hypot(...Array.from(expected));
  const off = Math.hypot(...Array.from(expected, (v, i) => v - found[i]!));
  expect(size).to.be.above(0);
  expect(off / size).to.be.below(by);
}

describe('gradients by layers', () => {
  closeTrainers();
  const file = temporaryFolder();

  it('by the images are central differences of the loss, parts and ignored labels included', async () => {
    const trainer = await smallTrainer({ ...double, weights: scattered(branching()) }, branching());
    const { data, shape } = await trainer.inputGradient(images, target);
    expect(shape).to.deep.equal([n, 6, 6, 2]);
    const expected = await differences(crossEntropy, (x) => trainer.predict(x));
    expectClose(data, expected, 1e-7);
    const named = await trainer.gradients(images, target, ['photos', 'shared']);
    expect(named.get('photos')!.data).to.deep.equal(data);
  });

  it('of a score are central differences of the class’s output', async () => {
    const trainer = await smallTrainer({ ...double, weights: scattered(branching()) }, branching());
    const classes = target.map((label) => Math.max(0, label));
    const { data } = await trainer.inputGradient(images, classes, { of: 'score' });
    const scores = (y: ArrayLike<number>): number =>
      classes.reduce((sum, label, i) => sum + y[4 * i + label]!, 0);
    expectClose(data, await differences(scores, (x) => trainer.predict(x)), 1e-7);
    // By the output itself it is one at the class.
    const head = await trainer.gradients(images, classes, ['head'], { of: 'score' });
    const ones = Array.from({ length: 4 * n }, (_, i) => Number(i % 4 === classes[i >> 2]));
    expect([...head.get('head')!.data]).to.deep.equal(ones);
  });

  it('by a layer are those by the input of the network after it', async () => {
    const rest = (): Network =>
      sequential([3, 3, 5], [flatten(), dropout({ rate: 0.5 }), dense({ units: 4, name: 'head' })]);
    const trainer = await smallTrainer({ ...double, weights: scattered(branching()) }, branching());
    const after = new Weights(
      [...(await trainer.weights())].filter(([name]) => /^head/.test(name)),
    );
    const { preprocess: _, ...plain } = double;
    const tail = await smallTrainer({ ...plain, weights: after }, rest());
    const volumes = (await trainer.activations(images, ['pool1'])).get('pool1')!;
    const expected = await tail.inputGradient(volumes.data, target);
    const names = ['head', 'pool1', 'flatten1', 'concat1', 'side', 'add1', 'shared', 'shared:2'];
    const found = await trainer.gradients(images, target, names);
    expectClose(found.get('pool1')!.data, expected.data, 1e-13);
    expect(found.get('flatten1')!.data).to.deep.equal(found.get('pool1')!.data);
    // Alone each is the same: none writes into the memory of another.
    for (const name of names) {
      const alone = await trainer.gradients(images, target, [name]);
      expect(alone.get(name)!.data, name).to.deep.equal(found.get(name)!.data);
    }
    // What is joined: the range of the concatenation, and what comes from the side.
    const joined = found.get('concat1')!.data;
    const side = found.get('side')!.data;
    expect([...side]).to.deep.equal([...joined].filter((_, i) => i % 5 > 1));
    expect(found.get('add1')!.data.some((v, i) => v !== joined[5 * (i >> 1) + (i & 1)])).to.equal(
      true,
    );
  });

  it('are those of other losses, and of one that is written with values', async () => {
    const numbers = Float64Array.from(noise(4 * n, 8));
    const own = (y: Value, t: Value): Value => mean(square(sub(y, t)));
    const outputs = async (loss: TrainerOptions['loss'], given: Float64Array | Int32Array) => {
      const trainer = await smallTrainer({ ...double, loss }, branching());
      const { data } = (await trainer.gradients(images, given, ['head'])).get('head')!;
      return { data, y: (await trainer.predict(images)).data };
    };
    const { data, y } = await outputs(meanSquaredError(), numbers);
    expectClose(
      data,
      y.map((v, i) => (2 * (v - numbers[i]!)) / (4 * n)),
      1e-12,
    );
    expectClose((await outputs(own, numbers)).data, data, 1e-12);
    const hinge = await outputs(svmHinge(), target);
    const rows = Array.from({ length: n }, (_, i) => [...hinge.data.slice(4 * i, 4 * i + 4)]);
    for (const row of rows) expect(row.reduce((a, b) => a + b)).to.be.closeTo(0, 1e-12);
    expect(rows[2]).to.deep.equal([0, 0, 0, 0]);
  });

  it('change nothing, and training goes on as without', async () => {
    const [trainer, other] = [await smallTrainer(), await smallTrainer()];
    const x = new Uint8Array(20 * 64).map((_, i) => (i * 37) % 251);
    for (const some of [trainer, other]) await some.fit(quadrants(64), { epochs: 1 });
    const before = await trainer.parametersSha256();
    const read = await trainer.gradients(x, labels(20, 4), ['conv1', 'bn1', 'fc1']);
    expect(read.get('conv1')!.data).to.be.instanceOf(Float32Array);
    await trainer.inputGradient(x, labels(20, 4));
    expect(await trainer.parametersSha256()).to.equal(before);
    for (const some of [trainer, other]) await some.fit(quadrants(64), { epochs: 1 });
    expect(await trainer.parametersSha256()).to.equal(await other.parametersSha256());
  });

  it('keep a few programs, whatever is asked for', async () => {
    const trainer = await smallTrainer(double, branching());
    const names = ['photos', 'shared', 'relu1', 'shared:2', 'bn1', 'relu2', 'add1', 'side', 'head'];
    const sets = names.flatMap((name, i) => [[name], names.slice(0, i + 1)]);
    for (const set of sets) await trainer.gradients(images, target, set);
    const { blocks } = trainer.memory().device;
    for (const set of sets) await trainer.gradients(images, target, set);
    expect(trainer.memory().device.blocks).to.equal(blocks);
  });

  it('of a model need a loss that a file holds, of a score none', async () => {
    const trainer = await smallTrainer({ device: 'cpu' });
    await trainer.save(file('a.safetensors'));
    await using model = await load(file('a.safetensors'), { device: 'cpu', batch: 3 });
    const x = quadrantImages(8);
    const classes = labels(8, 4);
    const expected = await trainer.inputGradient(x, classes);
    expectClose((await model.inputGradient(x, classes)).data, expected.data, 1e-6);
    const outside = await smallTrainer({ device: 'cpu', loss: 'external' });
    await outside.save(file('b.safetensors'));
    await using other = await load(file('b.safetensors'), { device: 'cpu' });
    for (const some of [outside, other]) {
      expect(await codeOf(some.inputGradient(x, classes))).to.equal('INVALID_ARGUMENT');
      const { data } = await some.inputGradient(x, classes, { of: 'score' });
      expect(data.some((v) => v !== 0)).to.equal(true);
    }
  });

  it('refuse what has no gradient', async () => {
    const trainer = await smallTrainer(double, branching());
    const read = (names: string[], of?: 'loss' | 'score', given = target) =>
      trainer.gradients(images, given, names, of && { of });
    expect(await remedyOf(read(['shred']))).to.contain("'shared'");
    expect(await remedyOf(read(['aux/head']))).to.contain('auxiliary');
    expect(await remedyOf(read(['head'], 'other' as 'loss'))).to.contain('score');
    expect(await codeOf(read(['head'], 'score'))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(read(['head'], 'loss', target.with(0, 4)))).to.equal('INVALID_DATA');
    expect(await codeOf(read(['head'], 'loss', target.slice(1)))).to.equal('INVALID_ARGUMENT');
  });
});

function quadrantImages(count: number): Uint8Array {
  return new Uint8Array(count * 64).map((_, i) => (i * 53) % 256);
}

/** Parameters in which nothing is 0 or 1. */
function scattered(of: Network): Weights {
  const weights = new Weights();
  of.parameters().forEach(({ name, spec }, i) => {
    const count = spec.shape.reduce((a, b) => a * b, 1);
    const data = Float64Array.from(noise(count, 20 + i), (v) =>
      name.endsWith('.variance') ? 1.5 + v : 0.6 * v + 0.05,
    );
    const tensor: HostTensor = { dtype: 'float64', shape: spec.shape, data };
    weights.set(name, tensor);
  });
  return weights;
}
