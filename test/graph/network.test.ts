import { expect } from 'chai';
import { scope } from '../../lib/graph/names.js';
import { network, type Network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input, type Value } from '../../lib/graph/value.js';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  convTranspose2d,
  dense,
  dropout,
  flatten,
  globalAvgPool2d,
  maxPool2d,
  mean,
  relu,
  square,
  sub,
} from '../../lib/layers/index.js';
import { softmaxCrossEntropy } from '../../lib/losses/index.js';
import * as models from '../../lib/models/index.js';
import { sgd } from '../../lib/optimizers/index.js';
import { thrown } from '../support/thrown.js';

function lenet() {
  return sequential(
    [28, 28, 1],
    [
      conv2d({ filters: 20, size: 5 }),
      maxPool2d({ size: 2, stride: 2 }),
      conv2d({ filters: 50, size: 5 }),
      maxPool2d({ size: 2, stride: 2 }),
      flatten(),
      dense({ units: 500 }),
      relu(),
      dense({ units: 10 }),
    ],
  );
}

function block(x: Value, filters: number, stride = 1): Value {
  const cut = stride === 1 ? x : batchNorm()(conv2d({ filters, size: 1, stride, bias: false })(x));
  const a = relu()(batchNorm()(conv2d({ filters, size: 3, stride, padding: 1, bias: false })(x)));
  return relu()(add(batchNorm()(conv2d({ filters, size: 3, padding: 1, bias: false })(a)), cut));
}

describe('network', () => {
  it('infers shapes and names of a chain', () => {
    const net = lenet();
    expect(net.nodes.map(({ name, shape }) => `${name} ${shape.join('x')}`)).to.deep.equal([
      'input1 28x28x1',
      'conv1 24x24x20',
      'pool1 12x12x20',
      'conv2 8x8x50',
      'pool2 4x4x50',
      'flatten1 800',
      'fc1 500',
      'relu1 500',
      'fc2 10',
    ]);
    expect(net.parameters().map(({ name }) => name)).to.deep.equal(
      ['conv1', 'conv2', 'fc1', 'fc2'].flatMap((layer) => [`${layer}.w`, `${layer}.b`]),
    );
    expect(net.summary().totals.parameters).to.equal(431_080);
  });

  it('builds residual blocks from callables, with one fit for all', () => {
    const x = input([32, 32, 16]);
    const y = dense({ units: 10 })(globalAvgPool2d()(block(block(x, 16), 32, 2)));
    const net = network(x, y, { fit: 'crop' });
    expect(net.nodes.at(-1)!.shape).to.deep.equal([10]);
    expect(
      net.nodes.filter((node) => node.layer?.kind === 'add').map((node) => node.shape),
    ).to.deep.equal([
      [32, 32, 16],
      [16, 16, 32],
    ]);
    expect(net.nodes.every((node) => node.inputs.every((id) => id < node.id))).to.equal(true);
    const error = thrown(() => network(x, y));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message)
      .to.match(/^conv\d+: /)
      .and.contain('(32 - 1 + 0)/2 + 1 = 16.5');
  });

  it('tells a value its shape when asked', () => {
    const y = conv2d({ filters: 4, size: 3, name: 'first' })(input([8, 8, 2]));
    expect(y.shape).to.deep.equal([6, 6, 4]);
    const loose = conv2d({ filters: 4, size: 3, stride: 2, name: 'first' })(input([8, 8, 2]));
    expect(thrown(() => loose.shape).message).to.match(/^first: /);
  });

  it('infers a chain of ten thousand layers', () => {
    const x = input([4]);
    let y: Value = x;
    for (let i = 0; i < 10_000; i++) y = relu()(y);
    expect(y.shape).to.deep.equal([4]);
    expect(network(x, y).nodes).to.have.length(10_001);
  });

  it('shares the parameters of a layer that is applied twice', () => {
    const shared = conv2d({ filters: 3, size: 3, padding: 1 });
    const rectify = relu();
    const x = input([8, 8, 3]);
    const net = network(x, rectify(shared(rectify(shared(x)))));
    expect(net.parameters().map(({ name }) => name)).to.deep.equal(['conv1.w', 'conv1.b']);
    expect(net.nodes.map(({ name }) => name)).to.deep.equal([
      'input1',
      'conv1',
      'relu1',
      'conv1',
      'relu2',
    ]);
    expect(net.summary().totals.parameters).to.equal(3 * 3 * 3 * 3 + 3);
  });

  it('refuses a shared layer that would need two shapes of parameters', () => {
    const shared = conv2d({ filters: 4, size: 3, padding: 1 });
    const x = input([8, 8, 3]);
    const error = thrown(() => network(x, shared(shared(x))));
    expect(error.code).to.equal('INVALID_SHAPE');
    expect(error.message).to.contain('conv1.w');
  });

  it('takes several inputs and outputs', () => {
    const [a, b] = [input([4, 4, 2], { name: 'left' }), input([4, 4, 3])];
    const joined = concat(a, b);
    const net = network([b, a], [joined, dense({ units: 2 })(joined)]);
    expect(net.inputs.map((id) => net.nodes[id]!.name)).to.deep.equal(['input1', 'left']);
    expect(net.outputs.map((id) => net.nodes[id]!.shape)).to.deep.equal([[4, 4, 5], [2]]);
  });

  it('refuses inputs that are missing, unused or made by layers, and outputs without a batch', () => {
    const [x, other] = [input([4]), input([5])];
    const y = relu()(x);
    expect(thrown(() => network(other, y)).message).to.contain('[4] that is not among');
    expect(thrown(() => network([x, other], y)).message).to.contain('[5]');
    expect(thrown(() => network(y, relu()(y))).message).to.contain('output of a layer');
    expect(thrown(() => network(x, mean(y))).message).to.contain('whole batch');
    expect(thrown(() => network([], y)).code).to.equal('INVALID_ARGUMENT');
    expect(thrown(() => network(x, [y, y])).message).to.contain('twice');
    expect(thrown(() => network(x, y, { fit: 'floor' as 'crop' })).message).to.contain("'floor'");
  });

  it('refuses an image shape that is none', () => {
    for (const shape of [[0, 4, 1], [4.5], [-1], [2 ** 31], [1, 2, 3, 4], [70000, 70000, 3]])
      expect(thrown(() => input(shape)).code).to.equal('INVALID_SHAPE');
    expect(thrown(() => input([4], { dtype: 'uint8' as 'int32' })).code).to.equal(
      'INVALID_ARGUMENT',
    );
    expect(thrown(() => relu()(input([], { dtype: 'int32' }))).message).to.contain('int32');
  });

  it('says what was forgotten in a list of layers', () => {
    expect(thrown(() => sequential([4], [relu as never])).remedy).to.contain('relu()');
    expect(thrown(() => sequential([4], [{} as never])).message).to.contain('layers[0]');
    expect(thrown(() => sequential([4], [])).code).to.equal('INVALID_ARGUMENT');
    expect(
      thrown(() => sequential([4, 4, 1], [flatten(), conv2d({ filters: 1, size: 1 })])).message,
    ).to.match(/^conv1: /);
    expect(thrown(() => relu()(3 as never)).message).to.contain('not a Value');
    expect(thrown(() => relu()(input([1]), input([1]))).message).to.contain('takes one input');
  });
});

describe('names', () => {
  it('number the layers without one, within their scope', () => {
    const layers = [
      conv2d({ filters: 2, size: 1 }),
      ...scope('stage1', () => [
        conv2d({ filters: 2, size: 1 }),
        relu(),
        ...scope('a', () => [conv2d({ filters: 2, size: 1, name: 'mid' })]),
      ]),
      conv2d({ filters: 2, size: 1 }),
    ];
    const net = sequential([4, 4, 1], layers);
    expect(net.nodes.slice(1).map(({ name }) => name)).to.deep.equal([
      'conv1',
      'stage1/conv1',
      'stage1/relu1',
      'stage1/a/mid',
      'conv2',
    ]);
  });

  it('that are given are kept, and numbers step around them', () => {
    const net = sequential(
      [4],
      [dense({ units: 2, name: 'fc2' }), dense({ units: 2 }), dense({ units: 2 })],
    );
    expect(net.nodes.slice(1).map(({ name }) => name)).to.deep.equal(['fc2', 'fc1', 'fc3']);
  });

  it('are refused twice, and where they would not be a file name', () => {
    const twice = [dense({ units: 2, name: 'a' }), dense({ units: 2, name: 'a' })];
    expect(thrown(() => sequential([4], twice)).message).to.contain("two layers are named 'a'");
    for (const name of ['', 'a.b', 'a b', '/a', 'a/', '__proto__', 'a//b', 'x'.repeat(300)])
      expect(thrown(() => relu({ name })).code, name).to.equal('INVALID_ARGUMENT');
  });

  it('leave the scope when its body throws', () => {
    expect(() =>
      scope('lost', () => {
        throw new Error('no');
      }),
    ).to.throw('no');
    expect(sequential([4], [relu()]).nodes[1]!.name).to.equal('relu1');
  });

  it('differ for two masks of one dropout object', () => {
    const drop = dropout({ rate: 0.5, name: 'mask' });
    const net = sequential([4], [drop, drop]);
    expect(new Set(net.nodes.map(({ name }) => name)).size).to.equal(3);
  });
});

describe('replaceHead', () => {
  it('gives the last dense layer other units and the name head', () => {
    const net = lenet().replaceHead({ units: 7 });
    expect(net.nodes.at(-1)).to.include({ name: 'head' });
    expect(net.nodes.at(-1)!.shape).to.deep.equal([7]);
    expect(net.parameters().map(({ name }) => name)).to.include.members([
      'fc1.w',
      'head.w',
      'head.b',
    ]);
    expect(net.parameters().map(({ name }) => name)).to.not.include('fc2.w');
    expect(net.replaceHead({ units: 3 }).nodes.at(-1)!.shape).to.deep.equal([3]);
  });

  it('gives a last convolution other filters', () => {
    for (const [id, before] of [
      ['squeezenet1.1', 'head'],
      ['nin', 'conv12'],
      ['nin-cifar', 'conv9'],
      ['all-cnn', 'conv9'],
    ] as const) {
      const old = models.zoo[id]!();
      const net = old.replaceHead({ units: 3 });
      expect(net.nodes.at(-1)!.shape, id).to.deep.equal([3]);
      const specs = (from: Network) => new Map(from.parameters().map((p) => [p.name, p.spec]));
      const [were, are] = [specs(old), specs(net)];
      const [w, wide] = [are.get('head.w')!, were.get(`${before}.w`)!];
      expect(w.shape, id).to.deep.equal([...wide.shape.slice(0, 3), 3]);
      expect(w.init, id).to.deep.equal(wide.init);
      // All others keep their names and shapes.
      were.delete(`${before}.w`);
      were.delete(`${before}.b`);
      for (const [name, { shape }] of were)
        expect(are.get(name)?.shape, `${id} ${name}`).to.deep.equal(shape);
      expect(are.size).to.equal(were.size + 2);
    }
    const full = [conv2d({ filters: 3, size: 3 }), relu(), conv2d({ filters: 4, size: 6 })];
    const wide = sequential([8, 8, 2], full).replaceHead({ units: 2 }).nodes;
    expect(wide.at(-1)).to.include({ name: 'head' });
    expect(wide.at(-1)!.shape).to.deep.equal([1, 1, 2]);
  });

  it('keeps how a head starts', () => {
    const before = models.alexnet().nodes.find(({ name }) => name === 'head')!;
    const after = models.alexnet().replaceHead({ units: 5 }).nodes.at(-1)!;
    expect(after.layer!.options).to.deep.equal({ ...before.layer!.options, units: 5 });
  });

  it('refuses an end that is none, and one that gives as many outputs whatever the head does', () => {
    const x = input([8, 8, 4]);
    const sum = add(conv2d({ filters: 4, size: 1 })(x), x);
    expect(thrown(() => network(x, sum).replaceHead({ units: 2 })).message).to.match(
      /no dense layer and no convolution ends the network: add1 does/,
    );
    const spread = convTranspose2d({ filters: 6, size: 2 })(conv2d({ filters: 4, size: 1 })(x));
    expect(thrown(() => network(x, spread).replaceHead({ units: 2 })).message).to.match(
      /9x9x6 with a head of 2 units/,
    );
  });

  it('refuses a network without one', () => {
    expect(thrown(() => lenet().replaceHead(undefined as never)).code).to.equal('INVALID_ARGUMENT');
    expect(thrown(() => lenet().plan(undefined as never)).code).to.equal('INVALID_ARGUMENT');
    expect(thrown(() => sequential([4], [relu()]).replaceHead({ units: 2 })).code).to.equal(
      'INVALID_ARGUMENT',
    );
    expect(thrown(() => lenet().replaceHead({ units: 0 })).message).to.contain('units');
  });
});

describe('summary', () => {
  it('lists volumes, parameters and memory, with totals', () => {
    const summary = lenet().summary();
    const conv = summary.rows.find((row) => row.name === 'conv1')!;
    expect(conv).to.deep.include({
      kind: 'conv2d',
      parameters: 520,
      values: 11_520,
      bytesPerImage: 46_080,
    });
    expect(summary.rows.find((row) => row.name === 'relu1')!.values).to.equal(0);
    const text = String(summary).split('\n');
    expect(text[0]).to.match(
      /^layer +kind +output +memory\/image +weights +parameters +FLOPs\/image +field +stride$/,
    );
    expect(text.at(-1)).to.match(/^total .* 430,500 +431,080/);
  });

  it("counts AlexNet's first layer as the notes do", () => {
    const net = sequential([227, 227, 3], [conv2d({ filters: 96, size: 11, stride: 4 })]);
    const row = net.summary().rows.at(-1)!;
    expect(row.output).to.deep.equal([55, 55, 96]);
    expect(row.values).to.equal(290_400);
    expect(row.parameters).to.equal(34_944);
  });

  it('keeps running statistics apart from parameters', () => {
    const { totals } = sequential([4, 4, 8], [batchNorm()]).summary();
    expect(totals).to.include({ parameters: 16, state: 16 });
  });
});

describe('plan', () => {
  it('is larger for training than for inference, and knows own losses', () => {
    const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
    const inference = lenet().plan({ batch: 8 });
    const training = lenet().plan({ batch: 8, optimizer, loss: softmaxCrossEntropy() });
    expect(training.totalBytes).to.be.above(2 * inference.totalBytes);
    const own = lenet().plan({ batch: 8, optimizer, loss: (y, t) => mean(square(sub(y, t))) });
    expect(own.kind).to.equal('train');
    expect(thrown(() => lenet().plan({ batch: 0 })).code).to.equal('INVALID_ARGUMENT');
  });
});
