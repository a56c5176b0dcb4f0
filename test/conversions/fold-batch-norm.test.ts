// Batch normalisation folded into the layer before it gives the outputs that it gave by itself.
import { expect } from 'chai';
import {
  add,
  batchNorm,
  conv2d,
  dense,
  foldBatchNorm,
  globalAvgPool2d,
  input,
  load,
  models,
  network,
  relu,
  sequential,
  type Network,
  type NetworkWithWeights,
} from '../../lib/index.js';
import { thrown } from '../support/thrown.js';
import { drawn, noise } from './support.js';

const norms = ({ nodes }: Network): string[] =>
  nodes.filter(({ layer }) => layer?.kind === 'batchNorm').map(({ name }) => name);

/** Every value as float64, with more digits than float32 has. */
function exact({ network, weights }: NetworkWithWeights): NetworkWithWeights {
  return {
    network,
    weights: new Map(
      [...weights].map(([name, { shape, data }]) => [
        name,
        { dtype: 'float64', shape, data: Float64Array.from(data as Float32Array, (v) => v * 1.1) },
      ]),
    ),
  };
}

async function outputsOf(source: NetworkWithWeights, x: Float64Array): Promise<Float64Array> {
  await using model = await load({ ...source, precision: 'float64' }, { device: 'cpu', batch: 2 });
  return (await model.predict(x)).data as Float64Array;
}

/** Folds, compares the outputs in float64, and returns the folded network. */
async function compare(source: Network): Promise<NetworkWithWeights> {
  const given = exact(drawn(source));
  const folded = foldBatchNorm(given);
  const x = Float64Array.from(noise(2 * source.nodes[0]!.shape.reduce((a, b) => a * b, 1)));
  const [before, after] = [await outputsOf(given, x), await outputsOf(folded, x)];
  const largest = before.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  expect(largest).to.be.greaterThan(1e-3);
  expect(after.length).to.equal(before.length);
  for (const [i, value] of before.entries())
    expect(Math.abs(after[i]! - value) / largest, `output ${i}`).to.be.below(1e-12);
  return folded;
}

describe('foldBatchNorm', () => {
  const small = { input: [33, 34, 3] as const, classes: 7 };
  const zoo: Readonly<Record<string, () => Network>> = {
    'ResNet-18': () => models.resnet18(small),
    MobileNet: () => models.mobilenet({ ...small, dropout: 0 }),
  };
  for (const [name, make] of Object.entries(zoo))
    it(`leaves no normalisation in ${name}, and its outputs`, async () => {
      const source = make();
      const folded = await compare(source);
      expect(norms(folded.network)).to.deep.equal([]);
      expect(folded.network.nodes.length).to.equal(source.nodes.length - norms(source).length);
      expect([...folded.weights.keys()].sort()).to.deep.equal(
        folded.network
          .parameters()
          .map((p) => p.name)
          .sort(),
      );
    }).timeout(180_000);

  it('takes layers with a bias, groups and vectors', async () => {
    const folded = await compare(
      sequential(
        [6, 5, 4],
        [
          conv2d({ filters: 6, size: 3, groups: 2 }),
          batchNorm({ epsilon: 0.1 }),
          relu(),
          globalAvgPool2d(),
          dense({ units: 5, bias: false }),
          batchNorm(),
        ],
      ),
    );
    expect(norms(folded.network)).to.deep.equal([]);
    expect(folded.network.nodes.map(({ name }) => name)).to.deep.equal([
      ...['input1', 'conv1', 'relu1', 'pool1', 'fc1'],
    ]);
  });

  it('leaves what others read, what is applied twice, and what has no layer before it', async () => {
    const x = input([4, 4, 3]);
    const read = conv2d({ filters: 3, size: 1 })(x);
    const twice = conv2d({ filters: 3, size: 1, name: 'twice' });
    const shared = batchNorm({ name: 'shared' });
    const first = batchNorm({ name: 'first' })(x);
    const y = add(
      read,
      batchNorm({ name: 'beside' })(read),
      batchNorm({ name: 'once' })(twice(relu()(twice(x)))),
      shared(conv2d({ filters: 3, size: 1 })(x)),
      shared(first),
    );
    const net = network(x, dense({ units: 4 })(y));
    const folded = await compare(net);
    expect(norms(folded.network).sort()).to.deep.equal(norms(net).sort());
  });

  it('keeps float32 where the weights are', async () => {
    const source = drawn(
      sequential([4, 4, 3], [conv2d({ filters: 8, size: 3, bias: false }), batchNorm()]),
    );
    const folded = foldBatchNorm(source);
    expect(folded.weights.get('conv1.b')).to.deep.include({ dtype: 'float32', shape: [8] });
    expect(source.weights.has('conv1.b'), 'the weights that were given').to.equal(false);
    const x = noise(2 * 48);
    const predict = async (from: NetworkWithWeights) => {
      await using model = await load(from, { device: 'cpu', batch: 2 });
      return (await model.predict(x)).data;
    };
    const [before, after] = [await predict(source), await predict(folded)];
    before.forEach((value, i) => expect(after[i]).to.be.closeTo(value, 1e-5));
  });

  it('refuses weights of another network', () => {
    const { network, weights } = drawn(
      sequential([4, 4, 3], [conv2d({ filters: 2, size: 1 }), batchNorm()]),
    );
    const without = new Map(weights);
    without.delete('bn1.mean');
    expect(thrown(() => foldBatchNorm({ network, weights: without })).message).to.contain(
      'bn1.mean',
    );
    expect(thrown(() => foldBatchNorm({ network } as never)).code).to.equal('INVALID_ARGUMENT');
  });
});
