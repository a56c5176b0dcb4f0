import { expect } from 'chai';
import { network, Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input } from '../../lib/graph/value.js';
import type { Layer } from '../../lib/graph/layer.js';
import {
  conv2d,
  dense,
  elu,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  maxout,
  prelu,
  relu6,
  sigmoid,
  silu,
  softplus,
  tanh,
} from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { compileTraining } from '../../lib/program/compile.js';
import { recordForward } from '../support/recorder.js';
import { thrown } from '../support/thrown.js';

/** The layers with what the op is told, and whether the gradient needs the output alone. */
const layers: readonly [make: () => Layer, attributes: number[], output: boolean][] = [
  [() => leakyRelu(), [0, 0.01, 0], true],
  [() => leakyRelu({ slope: 0.2 }), [0, 0.2, 0], true],
  [() => elu(), [1, 1, 0], true],
  [() => elu({ alpha: 0.5 }), [1, 0.5, 0], true],
  [() => sigmoid(), [2, 0, 0], true],
  [() => tanh(), [3, 0, 0], true],
  [() => softplus(), [4, 1, 20], false],
  [() => softplus({ beta: 2, threshold: 5 }), [4, 2, 5], false],
  [() => silu(), [5, 0, 0], false],
  [() => gelu(), [6, 0, 0], false],
  [() => gelu({ approximate: 'tanh' }), [7, 0, 0], false],
  [() => hardSwish(), [8, 0, 0], false],
  [() => hardSigmoid(), [9, 0, 0], false],
  [() => relu6(), [10, 0, 0], true],
];

describe('activations', () => {
  for (const [make, [kind, alpha, threshold], output] of layers) {
    const layer = make();
    const label = `${layer.kind} ${JSON.stringify(layer.options)}`;

    it(`${label}: any shape, written in place where its gradient allows`, () => {
      for (const shape of [[4, 3, 2], [6]]) {
        const { instructions, output } = recordForward(layer, [shape]);
        expect(output.shape).to.deep.equal(shape);
        expect(instructions.map(({ op, attributes }) => [op, attributes])).to.deep.equal([
          ['activation', { kind, alpha, threshold }],
        ]);
      }
      const net = sequential(
        [6, 6, 3],
        [conv2d({ filters: 4, size: 3 }), make(), dense({ units: 2 })],
      );
      const loss = softmaxCrossEntropy();
      const program = compileTraining(net, {
        ...{ batch: 2, loss, optimizer: sgd({ learningRate: 0.1 }) },
      });
      const step = program.instructions.find(({ op }) => op === 'activation')!;
      const [x, y] = step.operands;
      expect(x!.buffer === y!.buffer).to.equal(output);
      const backward = program.instructions.find(({ op }) => op === 'activationBackward')!;
      expect(backward.operands.map((operand) => operand === null)).to.deep.equal([
        output,
        !output,
        false,
        false,
      ]);
      expect(Network.fromJSON(net.toJSON()).toJSON()).to.deep.equal(net.toJSON());
    });
  }

  it('refuses options that make no sense, with a remedy', () => {
    const wrong: [() => unknown, RegExp, RegExp][] = [
      [() => leakyRelu({ slope: -1 }), /leakyRelu: slope is -1/, /from 0/],
      [() => leakyRelu({ alpha: 1 } as object), /no option 'alpha'/, /./],
      [() => elu({ alpha: NaN }), /elu: alpha is NaN/, /from 0/],
      [() => softplus({ beta: 0 }), /softplus: beta is 0/, /above 0/],
      [() => softplus({ threshold: Infinity }), /softplus: threshold is Infinity/, /finite/],
      [() => gelu({ approximate: 'erf' } as object), /approximate is 'erf'/, /'none' or 'tanh'/],
      [() => relu6({ max: 6 } as object), /no option 'max'/, /./],
    ];
    for (const [make, message, remedy] of wrong) {
      const error = thrown(make);
      expect(error.code).to.equal('INVALID_ARGUMENT');
      expect(error.message).to.match(message);
      expect(error.remedy).to.match(remedy);
    }
  });

  it('numbers its layers by their kind and counts their operations', () => {
    const x = input([2, 2, 3]);
    const net = network(x, gelu()(silu()(gelu()(x))));
    expect(net.nodes.map(({ name }) => name)).to.deep.equal(['input1', 'gelu1', 'silu1', 'gelu2']);
    expect(net.summary().rows.map(({ flops }) => flops)).to.deep.equal([0, 60, 60, 60]);
  });
});

describe('prelu', () => {
  it('has a slope for each channel, or one', () => {
    const specs = (layer: Layer): unknown[] =>
      sequential([4, 4, 6], [layer])
        .parameters()
        .map(({ name, spec }) => [name, spec.shape, spec.init, spec.trainable]);
    const init = (value: number): object => ({ kind: 'constant', value });
    expect(specs(prelu())).to.deep.equal([['prelu1.w', [6], init(0.25), true]]);
    expect(specs(prelu({ init: 0.1, shared: true }))).to.deep.equal([
      ['prelu1.w', [1], init(0.1), true],
    ]);
    expect(thrown(() => prelu({ shared: 1 } as object)).message).to.contain('prelu: shared is 1');
    expect(thrown(() => prelu({ init: Infinity })).code).to.equal('INVALID_ARGUMENT');
  });

  it('asks for the gradients that somebody needs', () => {
    const net = sequential([5], [prelu({ shared: true }), dense({ units: 2 }), prelu()]);
    const program = compileTraining(net, {
      ...{ batch: 2, loss: softmaxCrossEntropy(), optimizer: sgd({ learningRate: 0.1 }) },
    });
    const [last, first] = program.instructions
      .filter(({ op }) => op === 'preluBackward')
      .map(({ operands }) => operands.map((operand) => operand !== null));
    // x, w, dy, dx, dw, workspace
    expect(last).to.deep.equal([true, true, true, true, true, true]);
    expect(first).to.deep.equal([true, true, true, false, true, true]);
  });
});

describe('maxout', () => {
  it('makes one channel of several and keeps the winners for training alone', () => {
    const train = recordForward(maxout({ pieces: 3 }), [[4, 4, 6]]);
    expect(train.output.shape).to.deep.equal([4, 4, 2]);
    expect(train.instructions[0]!.attributes).to.deep.equal({ pieces: 3 });
    expect(train.instructions[0]!.operands.switches!.dtype).to.equal('uint8');
    const infer = recordForward(maxout({ pieces: 2 }), [[6]], { mode: 'infer' });
    expect(infer.output.shape).to.deep.equal([3]);
    expect(infer.instructions[0]!.operands.switches).to.equal(undefined);
  });

  it('refuses channels that are no groups, and numbers of pieces that are none', () => {
    const error = thrown(() => sequential([4, 4, 5], [maxout({ pieces: 2 })]));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message).to.contain('maxout1: the channels of 4x4x5 are no groups of 2');
    for (const pieces of [1, 2.5, 257, '2'])
      expect(thrown(() => maxout({ pieces } as { pieces: number })).remedy).to.contain('2 to 256');
    expect(thrown(() => maxout({} as { pieces: number })).message).to.contain(
      "needs the option 'pieces'",
    );
  });
});
