import { expect } from 'chai';
import type { Layer } from '../../lib/graph/layer.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input, type Value } from '../../lib/graph/value.js';
import { network } from '../../lib/graph/network.js';
import {
  add,
  batchNorm,
  concat,
  dense,
  dropout,
  flatten,
  mean,
  mul,
  relu,
  reshape,
  sub,
  sum,
} from '../../lib/layers/index.js';
import { hashName } from '../../lib/initializers/philox.js';
import { recordForward } from '../support/recorder.js';
import { thrown } from '../support/thrown.js';

describe('dense', () => {
  it('takes all values of a volume, as a convolution of one pixel', () => {
    const layer = dense({ units: 10 });
    const { instructions, output } = recordForward(layer, [[4, 5, 3]]);
    const { x, w, b, y } = instructions[0]!.operands;
    expect([x, w, b, y].map((t) => t?.shape)).to.deep.equal([
      [1, 1, 60],
      [1, 1, 60, 10],
      [10],
      [1, 1, 10],
    ]);
    expect(output.shape).to.deep.equal([10]);
    const [weights] = sequential([4, 5, 3], [layer]).parameters();
    expect(weights!.spec).to.deep.include({ shape: [60, 10], fanIn: 60, fanOut: 10 });
  });
});

describe('batchNorm', () => {
  it('uses the statistics of the batch and commits the running ones', () => {
    const { instructions } = recordForward(batchNorm({ momentum: 0.3 }), [[4, 4, 6]]);
    expect(instructions.map(({ op, commit }) => [op, commit])).to.deep.equal([
      ['batchNorm', false],
      ['batchNormUpdate', true],
    ]);
    expect(instructions[0]!.operands.mean).to.include({ batched: false });
    expect(instructions[1]!.operands.unbiased).to.equal(instructions[0]!.operands.unbiased);
    expect(instructions[1]!.attributes).to.deep.equal({ epsilon: 1e-5, momentum: 0.3 });
  });

  it('uses the running ones for inference', () => {
    const { instructions } = recordForward(batchNorm(), [[6]], { mode: 'infer' });
    expect(instructions.map(({ op }) => op)).to.deep.equal(['batchNormInference']);
  });

  it('has two parameters and two statistics', () => {
    const specs = sequential([4, 4, 6], [batchNorm()]).parameters();
    expect(specs.map(({ name, spec }) => [name, spec.shape, spec.trainable])).to.deep.equal([
      ['bn1.gamma', [6], true],
      ['bn1.beta', [6], true],
      ['bn1.mean', [6], false],
      ['bn1.variance', [6], false],
    ]);
  });
});

describe('dropout', () => {
  it("draws by the layer's name while training, and is nothing otherwise", () => {
    const { instructions } = recordForward(dropout({ rate: 0.4 }), [[8]], { name: 'drop1' });
    expect(instructions[0]!.attributes).to.deep.equal({
      rate: 0.4,
      key: BigInt.asIntN(64, hashName('drop1')),
    });
    for (const [layer, mode] of [
      [dropout({ rate: 0.4 }), 'infer'],
      [dropout({ rate: 0 }), 'train'],
    ] as [Layer, 'infer' | 'train'][]) {
      const { instructions, inputs, output } = recordForward(layer, [[8]], { mode });
      expect(instructions).to.have.length(0);
      expect(output).to.equal(inputs[0]);
    }
  });
});

describe('views and joins', () => {
  it('flatten and reshape keep the values', () => {
    const net = sequential([4, 3, 2], [flatten(), reshape([2, 3, 4]), reshape([24])]);
    expect(net.nodes.slice(1).map(({ shape }) => shape)).to.deep.equal([[24], [2, 3, 4], [24]]);
    expect(thrown(() => sequential([4, 3, 2], [reshape([5, 5])])).message).to.equal(
      'reshape1: [4, 3, 2] has 24 elements, [5, 5] has 25',
    );
    expect(recordForward(flatten(), [[4, 3, 2]]).instructions).to.have.length(0);
  });

  it('concat joins channels of one plane', () => {
    const [a, b, v] = [input([4, 4, 2]), input([4, 4, 3]), input([5])];
    expect(concat(a, b, a).shape).to.deep.equal([4, 4, 7]);
    expect(concat(v, v).shape).to.deep.equal([10]);
    expect(thrown(() => concat(a, input([4, 5, 2])).shape).message).to.contain('4x4x2 and 4x5x2');
    expect(thrown(() => concat(a, v).shape).code).to.equal('INVALID_SHAPE');
    expect(thrown(() => concat()).code).to.equal('INVALID_ARGUMENT');
  });

  it('add takes any number of values of one shape', () => {
    const [a, b] = [input([4, 4, 2]), input([4, 4, 2])];
    expect(add(a, b, a).shape).to.deep.equal([4, 4, 2]);
    const net = network([a, b], add(a, b, a, 1));
    expect(net.nodes.map(({ name }) => name)).to.deep.equal(['input1', 'input2', 'add1', 'shift1']);
    const three = recordForward(add(a, b, a).layer!, [
      [4, 4, 2],
      [4, 4, 2],
      [4, 4, 2],
    ]);
    expect(three.instructions.map(({ op, attributes }) => [op, attributes.kind])).to.deep.equal([
      ['binary', 0],
      ['binary', 0],
    ]);
    expect(thrown(() => add(a, input([4, 4, 3])).shape).message).to.contain(
      '4x4x2 and 4x4x3 cannot be added',
    );
  });

  it('a single number stands for every element, in second place', () => {
    const a = input([4]);
    const one = mean(a);
    expect([one.shape, one.batched]).to.deep.equal([[], false]);
    expect(sub(a, one).shape).to.deep.equal([4]);
    expect(mul(sum(a), one).batched).to.equal(false);
    expect(thrown(() => sub(one, a).shape).code).to.equal('INVALID_SHAPE');
    // A number an image is not a number for the batch.
    expect(thrown(() => sub(a, input([])).shape).code).to.equal('INVALID_SHAPE');
  });

  it('numbers become constants', () => {
    const a = input([4]);
    const kinds = (value: Value): string[] =>
      value.layer === null ? [] : [...value.inputs.flatMap(kinds), value.layer.kind];
    expect(kinds(relu()(mul(sub(add(a, 1), 2), 3)))).to.deep.equal([
      'shift',
      'shift',
      'scale',
      'relu',
    ]);
  });
});
