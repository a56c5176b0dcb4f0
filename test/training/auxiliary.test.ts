import { expect } from 'chai';
import {
  batchNorm,
  dense,
  dropout,
  flatten,
  input,
  load,
  mean,
  network,
  relu,
  sgd,
  square,
  sub,
  type Loss,
  type Network,
  type TrainerOptions,
  type Value,
} from '../../lib/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { Weights } from '../../lib/training/weights.js';
import { codeOf } from '../support/errors.js';
import {
  closeTrainers,
  quadrants,
  randomNumbers,
  smallTrainer,
  temporaryFolder,
} from './support.js';

const weights = [0.3, 0.7] as const;

/** A trunk with a head after each of its two layers; the first head has dropout and normalisation. */
function threeHeads(plain = false): Network {
  const x = input([8, 8, 1]);
  const first = relu()(dense({ units: 12, name: 'trunk1' })(flatten()(x)));
  const second = relu()(dense({ units: 10, name: 'trunk2' })(first));
  const side = plain ? first : dropout({ rate: 0.5 })(batchNorm()(first));
  const heads = [side, second].map((y, i) => dense({ units: 4, name: `aux${i + 1}/head` })(y));
  const end = dense({ units: 4, name: 'head' })(second);
  const auxiliary = heads.map((output, i) => ({ output, weight: weights[i]! }));
  return network(x, end, { auxiliary });
}

const float64 = { precision: 'float64', optimizer: sgd({ learningRate: 1 }) } as const;

function numbers(count: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: count }, () => random() - 0.5);
}

function numbersOf(of: Weights, name: string): Float32Array | Float64Array {
  return of.get(name)!.data as Float32Array | Float64Array;
}

async function totalLoss(
  start: Weights,
  options: Partial<TrainerOptions>,
  batch: { x: Float32Array; target: Int32Array | Float32Array },
): Promise<number> {
  const trainer = await smallTrainer({ ...options, weights: start }, threeHeads(true));
  const { loss, auxiliary } = await trainer.step(batch);
  return loss + auxiliary!.reduce((sum, value, i) => sum + weights[i]! * value, 0);
}

describe('training with auxiliary outputs', () => {
  closeTrainers();
  const file = temporaryFolder();

  const squares = (y: Value, target: Value): Value => mean(square(sub(y, target)));
  const losses: readonly (readonly [string, Loss | typeof squares, Int32Array | Float32Array])[] = [
    ['statistics of a loss', softmaxCrossEntropy(), Int32Array.of(0, 3, 1, 2, 2, -1)],
    ['a loss of one number', squares, numbers(24, 5)],
  ];
  for (const [what, loss, target] of losses)
    it(`the gradient is that of the weighted sum: ${what}`, async () => {
      const options = { ...float64, loss };
      const trainer = await smallTrainer(options, threeHeads(true));
      const batch = { x: numbers(6 * 64, 1), target };
      const before = await trainer.weights();
      await trainer.step(batch);
      const after = await trainer.weights();
      for (const name of ['trunk1.w', 'trunk2.b', 'head.w', 'aux1/head.w', 'aux2/head.b']) {
        const gradient = numbersOf(before, name)[2]! - numbersOf(after, name)[2]!;
        const at = async (step: number): Promise<number> => {
          const data = Float64Array.from(numbersOf(before, name));
          data[2] = data[2]! + step;
          const moved = new Weights([...before, [name, { ...before.get(name)!, data }]]);
          return totalLoss(moved, options, batch);
        };
        const numeric = ((await at(1e-5)) - (await at(-1e-5))) / 2e-5;
        expect(Math.abs(numeric), name).to.be.above(1e-4);
        expect(gradient, name).to.be.closeTo(numeric, 1e-8);
      }
    });

  it('metrics are those of the output; evaluation runs without the branches', async () => {
    const trainer = await smallTrainer({}, threeHeads());
    const alone = await smallTrainer({}, threeHeads().withoutAuxiliary());
    const set = quadrants(16);
    expect(await trainer.evaluate(set)).to.deep.equal(await alone.evaluate(set));
    const history = await trainer.fit(quadrants(256), { epochs: 12 });
    expect(history.epochs.at(-1)!.train.accuracy).to.be.above(0.9);
    const step = await trainer.step({ x: new Uint8Array(128), target: Int32Array.of(1, 2) });
    expect(step.auxiliary).to.have.length(2);
  });

  it('checkpoints resume with the branches and load without them', async () => {
    const [whole, half] = [
      await smallTrainer({}, threeHeads()),
      await smallTrainer({}, threeHeads()),
    ];
    const set = quadrants(64);
    await whole.fit(set, { epochs: 4 });
    await half.fit(set, { epochs: 2 });
    await half.save(file('half.safetensors'));
    const resumed = await smallTrainer({ resume: file('half.safetensors') }, threeHeads());
    await resumed.fit(set, { epochs: 4 });
    expect(await resumed.parametersSha256()).to.equal(await whole.parametersSha256());
    await using model = await load(file('half.safetensors'), { device: 'cpu' });
    expect(model.network.auxiliary).to.have.length(0);
    expect(model.network.parameters().map(({ name }) => name)).not.to.include('aux1/head.w');
    const x = new Uint8Array(128).map((_, i) => i);
    expect((await model.predict(x)).data).to.deep.equal((await half.predict(x)).data);
    expect((await model.evaluate(set)).loss).to.be.closeTo((await half.evaluate(set)).loss, 1e-5);
  });

  it('an infinite auxiliary loss leaves everything as it was', async () => {
    const net = threeHeads(true);
    const trainer = await smallTrainer({}, net);
    const start = await trainer.weights();
    numbersOf(start, 'aux1/head.w').fill(3e38);
    const broken = await smallTrainer({ weights: start }, net);
    const sha = await broken.parametersSha256();
    const batch = { x: numbers(64, 3).map((v) => v + 5), target: Int32Array.of(1) };
    expect(await codeOf(broken.step(batch))).to.equal('NOT_FINITE');
    expect(await broken.parametersSha256()).to.equal(sha);
  });

  it('an external loss is refused, with the remedy', async () => {
    const options = { loss: 'external', optimizer: sgd({ learningRate: 1 }) } as const;
    expect(await codeOf(threeHeads().trainer({ ...options, device: 'cpu' }))).to.equal(
      'INVALID_ARGUMENT',
    );
  });
});
