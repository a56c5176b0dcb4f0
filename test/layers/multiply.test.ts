import { expect } from 'chai';
import { network, Network } from '../../lib/graph/network.js';
import { input, type Value } from '../../lib/graph/value.js';
import {
  conv2d,
  dense,
  globalAvgPool2d,
  mean,
  multiply,
  relu,
  reshape,
  sigmoid,
} from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { compileTraining } from '../../lib/program/compile.js';
import { thrown } from '../support/thrown.js';

/** Squeeze-and-excitation: a volume times what a small network makes of its means. */
function excite(x: Value): Value {
  const hidden = relu()(dense({ units: 2 })(globalAvgPool2d()(x)));
  return multiply(x, sigmoid()(dense({ units: x.shape[2]! })(hidden)));
}

describe('multiply', () => {
  it('takes values of one shape, gates and single numbers', () => {
    const [a, b, gate] = [input([4, 4, 6]), input([4, 4, 6]), input([6])];
    expect(multiply(a, b, a).shape).to.deep.equal([4, 4, 6]);
    expect(multiply(a, gate).shape).to.deep.equal([4, 4, 6]);
    expect(multiply(a, reshape([1, 1, 6])(gate), b).shape).to.deep.equal([4, 4, 6]);
    expect(multiply(gate, gate).shape).to.deep.equal([6]);
    expect(multiply(a, mean(b)).shape).to.deep.equal([4, 4, 6]);
    for (const other of [input([5]), input([4, 1, 6]), input([4, 6]), input([])]) {
      const error = thrown(() => multiply(a, other).shape);
      expect(error.code).to.equal('INVALID_SHAPE');
      expect(error.message).to.contain('4x4x6 and');
      expect(error.remedy).to.contain('gate');
    }
    expect(thrown(() => multiply(gate, a).shape).code).to.equal('INVALID_SHAPE');
  });

  it('trains a gate through both of its sides', () => {
    const x = input([8, 8, 3]);
    const net = network(x, dense({ units: 3 })(excite(conv2d({ filters: 4, size: 3 })(x))));
    const program = compileTraining(net, {
      ...{ batch: 2, loss: softmaxCrossEntropy(), optimizer: sgd({ learningRate: 0.1 }) },
    });
    const { operands } = program.instructions.find(({ op }) => op === 'gateBackward')!;
    // x, gate, dy, dx, dgate
    expect(operands.every((operand) => operand !== null)).to.equal(true);
    expect(Network.fromJSON(net.toJSON()).toJSON()).to.deep.equal(net.toJSON());
    const row = net.summary().rows.find(({ kind }) => kind === 'multiply')!;
    expect(row.flops).to.equal(6 * 6 * 4);
  });
});
