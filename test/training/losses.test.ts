import { expect } from 'chai';
import {
  batches,
  fromArrays,
  load,
  sequential,
  sgd,
  type Batch,
  type Dataset,
  type Loss,
  type Network,
} from '../../lib/index.js';
import { dense, flatten, relu } from '../../lib/layers/index.js';
import {
  huber,
  meanAbsoluteError,
  meanSquaredError,
  sigmoidCrossEntropy,
  softmaxCrossEntropy,
  svmHinge,
} from '../../lib/losses/index.js';
import { closeTrainers, quadrants, smallTrainer, temporaryFolder } from './support.js';

const plainNetwork = (): Network =>
  sequential([8, 8, 1], [flatten(), dense({ units: 16 }), relu(), dense({ units: 4 })]);

/** The quadrants with one-hot vectors for labels. */
async function vectors(length: number): Promise<Dataset> {
  const { value } = await batches(quadrants(length), { batch: length, shuffle: false }).next();
  const { x, target: labels } = value as Batch;
  const target = new Float32Array(4 * length);
  labels.forEach((label, i) => (target[4 * i + label] = 1));
  return fromArrays({ x, shape: [8, 8, 1], target, targetShape: [4] });
}

describe('training by a loss', () => {
  closeTrainers();
  const file = temporaryFolder();
  const optimizer = sgd({ learningRate: 0.05, momentum: 0.9 });

  const byLabels: readonly Loss[] = [
    softmaxCrossEntropy({ labelSmoothing: 0.1 }),
    softmaxCrossEntropy({ classWeights: [1, 2, 0.5, 1] }),
    svmHinge(),
    svmHinge({ margin: 0.5, squared: true }),
  ];
  for (const loss of byLabels)
    it(`${JSON.stringify(loss)} counts hits, and is kept in a checkpoint`, async () => {
      const slow = sgd({ learningRate: 0.01, momentum: 0.9 });
      const trainer = await smallTrainer({ loss, optimizer: slow }, plainNetwork());
      const { epochs } = await trainer.fit(quadrants(256), { epochs: 15 });
      expect(epochs.at(-1)!.train.accuracy).to.be.above(0.9);
      const test = quadrants(100, 3);
      const metrics = await trainer.evaluate(test);
      await trainer.save(file('loss.safetensors'));
      await using model = await load(file('loss.safetensors'), { device: 'cpu', batch: 7 });
      const loaded = await model.evaluate(test);
      expect(loaded.loss).to.be.closeTo(metrics.loss, 1e-5);
      expect(loaded.accuracy).to.equal(metrics.accuracy);
    });

  it('class weights: batches of any size give the mean over all weights', async () => {
    const loss = softmaxCrossEntropy({ classWeights: [1, 20, 0.1, 3] });
    const [one, other] = [
      await smallTrainer({ loss, batch: 16 }, plainNetwork()),
      await smallTrainer({ loss, batch: 5 }, plainNetwork()),
    ];
    const set = quadrants(48);
    const [a, b] = [await one.evaluate(set), await other.evaluate(set)];
    expect(a.loss).to.be.closeTo(b.loss, 1e-6);
    expect(a.count).to.equal(48);
  });

  it('soft targets that are one-hot are labels, and count hits', async () => {
    const soft = softmaxCrossEntropy({ softTargets: true });
    const trainer = await smallTrainer({ loss: soft, optimizer }, plainNetwork());
    const plain = await smallTrainer({ optimizer }, plainNetwork());
    const [a, b] = [await trainer.evaluate(await vectors(64)), await plain.evaluate(quadrants(64))];
    expect(a.loss).to.be.closeTo(b.loss, 1e-5);
    expect(a.accuracy).to.equal(b.accuracy);
  });

  const byNumbers: readonly Loss[] = [
    meanSquaredError(),
    meanAbsoluteError(),
    huber({ delta: 0.5 }),
    sigmoidCrossEntropy(),
  ];
  for (const loss of byNumbers)
    it(`${loss.kind} falls`, async () => {
      const trainer = await smallTrainer({ loss, optimizer }, plainNetwork());
      const { epochs } = await trainer.fit(await vectors(256), { epochs: 15 });
      const [first, last] = [epochs[0]!.train, epochs.at(-1)!.train];
      expect(last.loss).to.be.below(0.6 * first.loss);
      expect(last.accuracy).to.be.NaN;
      expect(last.count).to.equal(256);
    });
});
