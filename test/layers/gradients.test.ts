import { expect } from 'chai';
import { network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input, type Value } from '../../lib/graph/value.js';
import {
  abs,
  add,
  avgPool2d,
  batchNorm,
  concat,
  conv2d,
  dense,
  div,
  dropout,
  exp,
  flatten,
  log,
  maxPool2d,
  mean,
  mul,
  relu,
  reshape,
  scale,
  shift,
  sqrt,
  square,
  sub,
  sum,
} from '../../lib/layers/index.js';
import { customLoss, softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { compileInference, compileTraining } from '../../lib/program/compile.js';
import type { Program } from '../../lib/program/program.js';

const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });

function backwardOps(program: Program): string[] {
  return program.instructions.filter(({ phase }) => phase === 'backward').map(({ op }) => op);
}

describe('gradients of layers, compiled', () => {
  it('a chain of all layers', () => {
    const net = sequential(
      [12, 12, 2],
      [
        conv2d({ filters: 4, size: 3 }),
        batchNorm(),
        relu(),
        maxPool2d({ size: 2 }),
        conv2d({ filters: 4, size: 2, groups: 2, padding: 'same' }),
        avgPool2d({ size: 5 }),
        dropout({ rate: 0.5 }),
        reshape([4]),
        dense({ units: 6 }),
        flatten(),
      ],
    );
    const program = compileTraining(net, { batch: 4, loss: softmaxCrossEntropy(), optimizer });
    expect(backwardOps(program)).to.deep.equal([
      'softmaxCrossEntropyBackward',
      'conv2dBackwardFilter',
      'conv2dBackwardData',
      'dropout',
      'avgPool2dBackward',
      'conv2dBackwardFilter',
      'conv2dBackwardData',
      // The rectifier stands behind the pooling.
      'reluBackward',
      'maxPool2dBackward',
      'batchNormBackward',
      'conv2dBackwardFilter',
    ]);
    expect(program.parameters.map(({ name }) => name)).to.include.members([
      'conv1.w',
      'bn1.mean',
      'fc1.b',
    ]);
    const inference = compileInference(net, { batch: 4 });
    expect(inference.instructions.map(({ op }) => op))
      .to.include('batchNormInference')
      .and.not.include('dropout');
  });

  it('branches: a residual block with a concatenation', () => {
    const x = input([8, 8, 3]);
    const a = conv2d({ filters: 4, size: 3, padding: 1 })(x);
    const b = add(relu()(a), conv2d({ filters: 4, size: 1 })(a));
    const net = network(x, dense({ units: 3 })(concat(a, b, conv2d({ filters: 2, size: 1 })(b))));
    const program = compileTraining(net, { batch: 2, loss: softmaxCrossEntropy(), optimizer });
    expect(backwardOps(program).filter((op) => op === 'conv2dBackwardFilter')).to.have.length(4);
  });

  it('a shared layer collects both gradients', () => {
    const shared = conv2d({ filters: 3, size: 3, padding: 1, name: 'twice' });
    const x = input([8, 8, 3]);
    const net = network(x, dense({ units: 3 })(shared(relu()(shared(x)))));
    const program = compileTraining(net, { batch: 2, loss: softmaxCrossEntropy(), optimizer });
    const filters = program.instructions.filter(
      ({ op, layer }) => op === 'conv2dBackwardFilter' && layer === 'twice',
    );
    expect(filters.map(({ operands }) => operands[2]!.access)).to.deep.equal([
      'overwrite',
      'accumulate',
    ]);
  });
});

describe('own losses, compiled', () => {
  const net = sequential([5], [dense({ units: 4 })]);
  const losses: [string, (y: Value, target: Value) => Value][] = [
    ['mean squared error', (y, t) => mean(square(sub(y, t)))],
    ['mean absolute error', (y, t) => scale(sum(abs(sub(y, t))), 1 / 4)],
    ['a quotient of numbers', (y, t) => div(sum(square(sub(y, t))), shift(sum(square(t)), 1))],
    [
      'products with a number',
      (y, t) => mean(mul(sub(y, mean(y)), div(t, shift(sqrt(mean(square(y))), 1)))),
    ],
    ['a cross-entropy by hand', (y, t) => mean(mul(t, sub(log(shift(exp(y), 1)), y)))],
    ['a value with itself', (y, t) => mean(sub(mul(y, y), div(t, add(square(t), 1))))],
  ];
  for (const [name, loss] of losses) {
    it(name, () => {
      const program = compileTraining(net, { batch: 3, loss: customLoss(loss), optimizer });
      expect(program.outputs.map(({ name }) => name)).to.deep.equal(['loss']);
      expect(program.inputs.find(({ name }) => name === 'target')).to.deep.include({
        shape: [4],
        dtype: 'float32',
      });
      expect(backwardOps(program)).to.include('conv2dBackwardFilter');
    });
  }
});
