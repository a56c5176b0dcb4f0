// Locally connected layers in networks: shapes, parameters, files, and learning.
import { expect } from 'chai';
import {
  conv2d,
  dense,
  locallyConnected2d,
  Network,
  relu,
  sequential,
  sgd,
  softmaxCrossEntropy,
} from '../../lib/index.js';
import { thrown } from '../support/thrown.js';

describe('locallyConnected2d', () => {
  it('has filters and biases for every position, and the fans of one', () => {
    const net = sequential([7, 9, 3], [locallyConnected2d({ filters: 6, size: 3, stride: 2 })]);
    expect(net.nodes.at(-1)!.shape).to.deep.equal([3, 4, 6]);
    expect(net.parameters().map(({ name, spec }) => [name, spec.shape])).to.deep.equal([
      ['local1.w', [3, 4, 27, 6]],
      ['local1.b', [3, 4, 6]],
    ]);
    expect(net.parameters()[0]!.spec).to.deep.include({ fanIn: 27, fanOut: 54 });
  });

  it("follows the network's fit", () => {
    const layer = locallyConnected2d({ filters: 2, size: 3, stride: 2, bias: false });
    const shapes = (fit: 'crop' | 'pad'): (readonly number[])[] =>
      sequential([8, 8, 1], [layer], { fit })
        .parameters()
        .map(({ spec }) => spec.shape);
    expect(shapes('crop')).to.deep.equal([[3, 3, 9, 2]]);
    expect(shapes('pad')).to.deep.equal([[4, 4, 9, 2]]);
    expect(thrown(() => sequential([8, 8, 1], [layer])).code).to.equal('INVALID_SHAPE');
  });

  it('comes back from JSON', () => {
    const net = sequential(
      [6, 5, 2],
      [locallyConnected2d({ filters: 3, size: [3, 2], padding: 1, name: 'faces' })],
    );
    expect(Network.fromJSON(net.toJSON()).toJSON()).to.deep.equal(net.toJSON());
  });

  it('refuses what it does not know', () => {
    const refused = (options: object): string =>
      thrown(() => locallyConnected2d(options as never)).message;
    expect(refused({ filters: 3 })).to.contain("needs the option 'size'");
    expect(refused({ filters: 0, size: 3 })).to.contain('locallyConnected2d: filters is 0');
    expect(refused({ filters: 3, size: 3, groups: 2 })).to.contain("has no option 'groups'");
  });

  it('is a convolution where all positions have the same filters', async () => {
    const options = { filters: 4, size: 3, padding: 1, stride: 2, fit: 'crop' } as const;
    const images = Float32Array.from({ length: 2 * 6 * 6 * 3 }, (_, i) => Math.sin(i * 1.3));
    const settings = {
      device: 'cpu',
      batch: 2,
      loss: softmaxCrossEntropy(),
      optimizer: sgd({ learningRate: 0.1 }),
    } as const;
    const head = dense({ units: 2 });
    await using shared = await sequential([6, 6, 3], [conv2d({ ...options, name: 'c' }), head]) //
      .trainer(settings);
    const weights = await shared.weights();
    const w = weights.get('c.w')!.data as Float32Array;
    const net = sequential([6, 6, 3], [locallyConnected2d({ ...options, name: 'c' }), head]);
    const own = new Float32Array(9 * w.length);
    for (let position = 0; position < 9; position += 1) own.set(w, position * w.length);
    weights.set('c.w', { dtype: 'float32', shape: [3, 3, 27, 4], data: own });
    weights.set('c.b', { dtype: 'float32', shape: [3, 3, 4], data: new Float32Array(36) });
    await using local = await net.trainer({ ...settings, weights });
    const [a, b] = [await shared.predict(images), await local.predict(images)];
    a.data.forEach((value, i) => expect(b.data[i]).to.be.closeTo(Number(value), 1e-5));
  });

  it('learns', async () => {
    const net = sequential(
      [5, 5, 2],
      [locallyConnected2d({ filters: 4, size: 3 }), relu(), dense({ units: 2 })],
    );
    await using run = await net.trainer({
      device: 'cpu',
      batch: 8,
      loss: softmaxCrossEntropy(),
      optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
    });
    const x = Float32Array.from({ length: 8 * 50 }, (_, i) => Math.sin(i * i));
    const target = Int32Array.from({ length: 8 }, (_, i) => i % 2);
    const losses: number[] = [];
    for (let step = 0; step < 30; step += 1) losses.push((await run.step({ x, target })).loss);
    expect(losses.at(-1)!).to.be.below(losses[0]! / 10);
  });
});
