// Gradients that are accumulated over parts of a batch: every loss, and batch normalisation.
import { expect } from 'chai';
import { join } from 'node:path';
import { fromArrays } from '../../lib/data/index.js';
import { SafetensorsFile } from '../../lib/formats/safetensors.js';
import { network, type Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input, type Value } from '../../lib/graph/value.js';
import {
  abs,
  add,
  batchNorm,
  conv2d,
  dense,
  flatten,
  maxPool2d,
  mean,
  mul,
  relu,
  scale,
  shift,
  sqrt,
  square,
  sub,
  sum,
} from '../../lib/layers/index.js';
import {
  huber,
  meanAbsoluteError,
  meanSquaredError,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  svmHinge,
} from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import type { StepResult, TrainerOptions } from '../../lib/training/trainer.js';
import { Weights } from '../../lib/training/weights.js';
import { labels, noise } from '../program/device.js';
import { codeOf, errorOf } from '../support/errors.js';

const batch = 10;
const classes = 5;

/** A trunk with an auxiliary branch. */
function branched(): Network {
  const images = input([6, 6, 2]);
  const trunk = relu()(conv2d({ filters: 3, size: 3, padding: 1 })(images));
  const end = (name: string): Value => dense({ units: classes, name })(flatten()(trunk));
  const side = end('side');
  return network(images, end('head'), { auxiliary: [{ output: side, weight: 0.3 }] });
}

const x = Float32Array.from(noise(batch * 72, 3));
const classTarget = labels(batch, classes).map((label, i) => (i % 4 === 1 ? -1 : label));
const numbers = Float32Array.from(noise(batch * classes, 9));
const shares = numbers.map((v) => Math.abs(v) % 1);
/** Rows that sum to 1. */
const distributions = shares.map((v, i) => {
  const row = i - (i % classes);
  return v / shares.subarray(row, row + classes).reduce((a, b) => a + b, 0);
});

type Target = Int32Array | Float32Array;
const d = (y: Value, t: Value): Value => sub(y, t);
const losses: Record<string, [TrainerOptions['loss'], Target]> = {
  'softmaxCrossEntropy with ignored labels': [softmaxCrossEntropy(), classTarget],
  'softmaxCrossEntropy, smoothed': [softmaxCrossEntropy({ labelSmoothing: 0.2 }), classTarget],
  'softmaxCrossEntropy with class weights': [
    softmaxCrossEntropy({ classWeights: [1, 0.25, 3, 0.7, 2], labelSmoothing: 0.1 }),
    classTarget,
  ],
  'softmaxCrossEntropy with soft targets': [
    softmaxCrossEntropy({ softTargets: true, classWeights: [1, 2, 3, 4, 5] }),
    distributions,
  ],
  svmHinge: [svmHinge(), classTarget],
  'svmHinge, squared, with an ignored class': [
    svmHinge({ squared: true, margin: 0.5, ignoreLabel: 2 }),
    classTarget.map((label) => Math.max(0, label)),
  ],
  meanSquaredError: [meanSquaredError(), numbers],
  meanAbsoluteError: [meanAbsoluteError(), numbers],
  huber: [huber({ delta: 0.3 }), numbers],
  sigmoidCrossEntropy: [sigmoidCrossEntropy(), shares],
  'a mean of values': [(y, t) => mean(square(d(y, t))), numbers],
  'a sum of values': [(y, t) => scale(sum(square(d(y, t))), 0.01), numbers],
  'several means': [
    (y, t) => shift(add(mean(square(d(y, t))), scale(mean(abs(y)), 0.1)), 3),
    numbers,
  ],
};

async function stepsOf(given: Partial<TrainerOptions>, target: Target) {
  await using trainer = await branched().trainer({
    ...({ device: 'cpu', threads: 1, batch, seed: 4, loss: 'external' } as const),
    optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
    ...given,
  });
  const results: StepResult[] = [];
  for (let i = 0; i < 3; i++) results.push(await trainer.step({ x, target }));
  return { results, weights: await trainer.weights() };
}

function offBy(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).to.equal(expected.length);
  const size = Math.hypot(...Array.from(expected));
  return Math.hypot(...Array.from(expected, (v, i) => v - found[i]!)) / size;
}

describe('accumulated gradients', () => {
  for (const [name, [loss, target]] of Object.entries(losses))
    for (const [precision, tolerance] of [
      ['float64', 1e-9],
      ['float32', 1e-4],
    ] as const)
      it(`of ${name} are those of the whole batch in ${precision}`, async () => {
        const whole = await stepsOf({ loss, precision }, target);
        for (const microBatch of [1, 3, 9]) {
          const parts = await stepsOf({ loss, precision, microBatch }, target);
          for (const [i, { loss: expected, auxiliary, count }] of whole.results.entries()) {
            const found = parts.results[i]!;
            expect(found.loss).to.be.closeTo(expected, tolerance * expected);
            expect(found.auxiliary![0]).to.be.closeTo(auxiliary![0]!, tolerance * auxiliary![0]!);
            expect(found.count).to.equal(count);
          }
          for (const [key, { data }] of whole.weights)
            expect(
              offBy(parts.weights.get(key)!.data as Float32Array, data as Float32Array),
              key,
            ).to.be.below(tolerance);
        }
      });

  it('are refused of losses whose parts do not make up the whole', async () => {
    const options = { microBatch: 3 };
    const refused: TrainerOptions['loss'][] = [
      (y, t) => sqrt(mean(square(d(y, t)))),
      (y, t) => add(mean(y), sum(t)),
      (y, t) => shift(sum(square(d(y, t))), 1),
      (y, t) => mul(mean(y), mean(t)),
      { ...meanSquaredError(), divisor: undefined } as never,
      'external',
    ];
    for (const loss of refused) {
      const error = await errorOf(stepsOf({ loss, ...options }, numbers));
      expect(error!.code).to.equal('INVALID_ARGUMENT');
      expect(error!.remedy).to.contain('microBatch');
    }
  });
});

/** As test/fixtures/pytorch_accumulation.py has it; settings are whole in float32, as attributes of ops are. */
const wave = (count: number, seed: number, by = 1, plus = 0): Float64Array =>
  Float64Array.from(
    { length: count },
    (_, i) => plus + by * Math.sin(1 + seed + 1.7 * i + 0.01 * i * i),
  );

const normalised = (): Network =>
  sequential(
    [6, 6, 2],
    [
      ...[conv2d({ filters: 4, size: 3, padding: 1, bias: false })],
      ...[batchNorm({ momentum: 1 / 8, epsilon: 2 ** -10 }), relu()],
      ...[maxPool2d({ size: 2, stride: 2 }), flatten(), dense({ units: 5 })],
    ],
  );

const start = new Weights(
  (
    [
      ['conv1.w', [3, 3, 2, 4], wave(72, 1, 0.4)],
      ['bn1.gamma', [4], wave(4, 2, 0.3, 1)],
      ['bn1.beta', [4], wave(4, 3, 0.3)],
      ['bn1.mean', [4], new Float64Array(4)],
      ['bn1.variance', [4], new Float64Array(4).fill(1)],
      ['fc1.w', [36, 5], wave(180, 4, 0.3)],
      ['fc1.b', [5], wave(5, 5, 0.1)],
    ] as const
  ).map(([name, shape, data]) => [name, { dtype: 'float64', shape, data }]),
);

const photos = wave(720, 0);
const target = Int32Array.of(0, 4, -1, 2, 1, 3, -1, -1, 0, 2);
const inParts: TrainerOptions = {
  ...({ device: 'cpu', batch, microBatch: 4, precision: 'float64', weights: start } as const),
  loss: softmaxCrossEntropy(),
  optimizer: sgd({ learningRate: 1 / 8, momentum: 0.5 }),
};

describe('batch normalisation in micro-batches', () => {
  it('and what is read afterwards are PyTorch’s', async () => {
    await using trainer = await normalised().trainer(inParts);
    for (let i = 0; i < 3; i++) await trainer.step({ x: photos, target });
    const file = await SafetensorsFile.open(
      join(import.meta.dirname, '../fixtures/pytorch_accumulation.safetensors'),
    );
    const expected = async (name: string) => (await file.read(name)).data as Float64Array;
    try {
      for (const [name, { data }] of await trainer.weights())
        expect(offBy(data as Float64Array, await expected(name)), name).to.be.below(1e-12);
      const names = ['bn1', 'pool1', 'fc1'];
      for (const [name, { data }] of await trainer.activations(photos, names))
        expect(offBy(data, await expected(`value/${name}`)), name).to.be.below(1e-12);
      for (const [name, { data }] of await trainer.gradients(photos, target, [...names, 'input1']))
        expect(offBy(data, await expected(`gradient/${name}`)), name).to.be.below(1e-11);
    } finally {
      await file.close();
    }
  });

  it('are as before a step that is not finite, whichever part is not', async () => {
    await using trainer = await normalised().trainer(inParts);
    await trainer.step({ x: photos, target });
    const before = await trainer.parametersSha256();
    for (const image of [0, 5, 9])
      for (const value of [NaN, Infinity, 1e200]) {
        const bad = photos.with(72 * image + 7, value);
        expect(await codeOf(trainer.step({ x: bad, target }))).to.equal('NOT_FINITE');
        expect(await trainer.parametersSha256()).to.equal(before);
      }
    expect(trainer.steps).to.equal(1);
  });

  it('do not mind what runs at the same time', async () => {
    const set = fromArrays({ x: Float32Array.from(photos), target, shape: [6, 6, 2] });
    const single = { ...inParts, precision: 'float32' } as const;
    const floats = Float32Array.from(photos);
    await using alone = await normalised().trainer(single);
    await using busy = await normalised().trainer(single);
    for (let i = 0; i < 5; i++) {
      await alone.step({ x: floats, target });
      await Promise.all([
        busy.step({ x: floats, target }),
        ...Array.from({ length: 4 }, () => [busy.evaluate(set), busy.predict(floats)]).flat(),
      ]);
    }
    expect(await busy.parametersSha256()).to.equal(await alone.parametersSha256());
  });

  it('need two values a channel in every part', async () => {
    const vectors = sequential([6], [dense({ units: 5 }), batchNorm()]);
    const { weights: _, ...options } = inParts;
    await using trainer = await vectors.trainer({ ...options, microBatch: 2 });
    const step = (n: number) =>
      trainer.step({ x: photos.slice(0, 6 * n), target: target.slice(0, n) });
    const error = await errorOf(step(3));
    expect(error!.code).to.equal('INVALID_ARGUMENT');
    expect(error!.remedy).to.contain('microBatch');
    expect((await step(4)).step).to.equal(1);
  });
});
