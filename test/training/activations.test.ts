// Every activation in a program that runs: a small network learns a fixed batch, in float32 and float64 alike.
import { expect } from 'chai';
import {
  conv2d,
  dense,
  elu,
  gelu,
  globalAvgPool2d,
  hardSigmoid,
  hardSwish,
  input,
  leakyRelu,
  maxout,
  multiply,
  network,
  prelu,
  relu6,
  sgd,
  sigmoid,
  silu,
  softmaxCrossEntropy,
  softplus,
  tanh,
  type Value,
} from '../../lib/index.js';
import { randomNumbers } from './support.js';

const activations: Readonly<Record<string, (x: Value) => Value>> = {
  leakyRelu: leakyRelu({ slope: 0.2 }),
  elu: elu(),
  sigmoid: sigmoid(),
  tanh: tanh(),
  softplus: softplus({ beta: 2, threshold: 3 }),
  silu: silu(),
  gelu: gelu(),
  'gelu with tanh': gelu({ approximate: 'tanh' }),
  hardSwish: hardSwish(),
  hardSigmoid: hardSigmoid(),
  relu6: relu6(),
  prelu: prelu(),
  'prelu, shared': prelu({ shared: true }),
  maxout: maxout({ pieces: 2 }),
  'a gate': (x) => multiply(x, sigmoid()(dense({ units: 4 })(globalAvgPool2d()(x)))),
};

const batch = 12;
const random = randomNumbers(5);
const pixels = Float32Array.from({ length: batch * 5 * 5 * 2 }, () => random() - 0.5);
const target = Int32Array.from({ length: batch }, (_, i) => i % 3);

async function losses(activation: (x: Value) => Value, precision: 'float32' | 'float64') {
  const x = input([5, 5, 2]);
  const volume = activation(conv2d({ filters: 4, size: 3, name: 'first' })(x));
  await using trainer = await network(x, dense({ units: 3 })(volume)).trainer({
    ...{ device: 'cpu', precision, batch, seed: 3, loss: softmaxCrossEntropy() },
    optimizer: sgd({ learningRate: 0.2, momentum: 0.9 }),
  });
  const found: number[] = [];
  for (let step = 0; step < 25; step += 1)
    found.push((await trainer.step({ x: pixels, target })).loss);
  return found;
}

describe('activations in training', () => {
  for (const [name, activation] of Object.entries(activations))
    it(name, async () => {
      const [single, double] = [
        await losses(activation, 'float32'),
        await losses(activation, 'float64'),
      ];
      expect(double.at(-1)).to.be.below(0.8 * double[0]!);
      for (const step of [0, 1, 2, 3]) expect(single[step]).to.be.closeTo(double[step]!, 1e-4);
    });
});
