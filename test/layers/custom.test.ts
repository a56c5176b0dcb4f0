import { expect } from 'chai';
import {
  batchNorm,
  constant,
  conv2d,
  customLayer,
  customLoss,
  dense,
  dropout,
  exp,
  flatten,
  input,
  load,
  mean,
  mul,
  Network,
  network,
  registerLayer,
  relu,
  scope,
  sequential,
  sgd,
  square,
  sub,
  type Value,
} from '../../lib/index.js';
import { thrown } from '../support/thrown.js';
import { closeTrainers, quadrants, smallTrainer, temporaryFolder } from '../training/support.js';

/** y = beta x^2, with one learned number. */
const quadratic = customLayer('quadratic', ([x], { beta }) => mul(square(x!), beta!), {
  parameters: { beta: { init: constant(0.5) } },
});

/** A block with parameters, running statistics and dropout inside. */
const block = customLayer('block', ([x]) => {
  const y = batchNorm()(conv2d({ filters: 3, size: 3, padding: 1, bias: false })(x!));
  return dropout({ rate: 0.25 })(relu()(y));
});

const names = (net: Network): string[] => net.parameters().map(({ name }) => name);

describe('customLayer', () => {
  closeTrainers();
  const file = temporaryFolder();

  it('has the shape and the parameters of what is inside', () => {
    const net = sequential([8, 8, 1], [block(), quadratic({ name: 'q' }), block(), flatten()]);
    expect(net.nodes[1]!.shape).to.deep.equal([8, 8, 3]);
    expect(names(net)).to.deep.equal([
      ...['conv1.w', 'bn1.gamma', 'bn1.beta', 'bn1.mean', 'bn1.variance'].map((n) => `block1.${n}`),
      'q.beta',
      ...['conv1.w', 'bn1.gamma', 'bn1.beta', 'bn1.mean', 'bn1.variance'].map((n) => `block2.${n}`),
    ]);
  });

  it('names what is inside alike within scopes', () => {
    const x = input([8, 8, 1]);
    const net = network(
      x,
      scope('stage1', () => block()(x)),
    );
    expect(names(net)[0]).to.equal('stage1/block1.conv1.w');
  });

  it('learns: its gradient is that of the same layers outside, and of its parameter', async () => {
    const loss = customLoss((y: Value, t: Value) => mean(square(sub(y, t))));
    const options = { loss, precision: 'float64', optimizer: sgd({ learningRate: 1 }) } as const;
    const x = Float32Array.of(0.5, -1, 2, 0.25, 1, -0.5);
    const target = Float32Array.of(1, 0, 0.5, 0, 1, 2);
    const trainer = await smallTrainer(options, sequential([3], [quadratic()]));
    const result = await trainer.step({ x, target });
    // d/dbeta of the mean of (beta x^2 - t)^2
    let [gradient, expected] = [0, 0];
    for (const [i, value] of x.entries()) {
      expected += (0.5 * value ** 2 - target[i]!) ** 2 / 6;
      gradient += (2 * (0.5 * value ** 2 - target[i]!) * value ** 2) / 6;
    }
    expect(result.loss).to.be.closeTo(expected, 1e-12);
    const beta = (await trainer.weights()).get('quadratic1.beta')!.data[0];
    expect(beta).to.be.closeTo(0.5 - gradient, 1e-12);
  });

  it('trains with statistics and dropout inside, and is kept in checkpoints once registered', async () => {
    const net = sequential([8, 8, 1], [block(), flatten(), dense({ units: 4 })]);
    const trainer = await smallTrainer({}, net);
    const { epochs } = await trainer.fit(quadrants(256), { epochs: 8 });
    expect(epochs.at(-1)!.train.accuracy).to.be.above(0.9);
    expect(thrown(() => net.toJSON())).to.include({ code: 'INVALID_ARGUMENT' });
    expect(thrown(() => net.toJSON()).remedy).to.contain('registerLayer');
    const unknown = { name: 'block1', kind: 'block', options: {}, inputs: [0] };
    const json = {
      ...{ format: 1, fit: 'exact', inputs: [0], outputs: [1] },
      nodes: [{ name: 'input1', kind: 'input', shape: [8, 8, 1], dtype: 'float32' }, unknown],
    };
    expect(thrown(() => Network.fromJSON(json)).code).to.equal('INVALID_FORMAT');
    registerLayer(block);
    registerLayer(block);
    expect(names(Network.fromJSON(net.toJSON()))).to.deep.equal(names(net));
    await trainer.save(file('block.safetensors'));
    await using model = await load(file('block.safetensors'), { device: 'cpu' });
    const x = new Uint8Array(128).map((_, i) => i);
    expect((await model.predict(x)).data).to.deep.equal((await trainer.predict(x)).data);
  });

  it('takes several inputs', () => {
    const difference = customLayer('difference', ([a, b]) => sub(a!, b!), { inputs: 2 });
    const x = input([4]);
    const net = network(x, difference()(relu()(x), exp(x)));
    expect(net.nodes.at(-1)!.shape).to.deep.equal([4]);
    expect(thrown(() => difference()(x)).message).to.contain('2 inputs');
  });

  const outside = input([3]);
  const refused: Record<string, () => unknown> = {
    'a kind that is no name': () => customLayer('my layer', ([x]) => relu()(x!)),
    'no function': () => customLayer('own', 3 as never),
    'no value': () => sequential([3], [customLayer('own', () => 3 as never)()]),
    'its argument': () => sequential([3], [customLayer('own', ([x]) => x!)()]),
    'a value from outside': () =>
      sequential([3], [customLayer('own', ([x]) => sub(x!, outside))()]),
    'an input that is not used': () =>
      network(outside, customLayer('own', ([x]) => relu()(x!), { inputs: 2 })()(outside, outside)),
    'a number for the batch': () => sequential([3], [customLayer('own', ([x]) => mean(x!))()]),
    'no inputs': () => customLayer('own', ([x]) => relu()(x!), { inputs: 0 }),
    'an unknown option': () => customLayer('own', ([x]) => relu()(x!), { input: 1 } as never),
    'a parameter without a start': () =>
      customLayer('own', ([x]) => relu()(x!), { parameters: { a: {} as never } }),
    'a parameter with a dot': () =>
      customLayer('own', ([x]) => relu()(x!), { parameters: { 'a.b': { init: constant(1) } } }),
    'a layer to register': () => {
      registerLayer(relu() as never);
    },
    'a kind that there is': () => {
      registerLayer(customLayer('relu', ([x]) => relu()(x!)));
    },
  };
  for (const [what, make] of Object.entries(refused))
    it(`refuses ${what}`, () => {
      expect(thrown(make)).to.have.property('code', 'INVALID_ARGUMENT');
    });
});
