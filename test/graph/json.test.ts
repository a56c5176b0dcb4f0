import { expect } from 'chai';
import { Network, network } from '../../lib/graph/network.js';
import { sequential } from '../../lib/graph/sequential.js';
import { input } from '../../lib/graph/value.js';
import { gaussian, xavier } from '../../lib/initializers/index.js';
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
  globalAvgPool2d,
  globalMaxPool2d,
  log,
  l2Pool2d,
  maxPool2d,
  mean,
  mul,
  neg,
  relu,
  reshape,
  scale,
  shift,
  sqrt,
  square,
  sub,
  sum,
} from '../../lib/layers/index.js';
import { thrown } from '../support/thrown.js';

/** Every kind of layer, a shared one, branches, two inputs and outputs. */
function everything(): Network {
  const x = input([12, 12, 4], { name: 'image' });
  const z = input([3, 3, 2]);
  const shared = conv2d({
    filters: 4,
    size: [3, 5],
    padding: 'same',
    groups: 2,
    init: gaussian({ std: 0.1 }),
  });
  const a = relu()(batchNorm({ momentum: 0.2 })(shared(shared(x))));
  const b = conv2d({
    filters: 4,
    size: 3,
    dilation: 2,
    padding: { top: 4, left: 4 },
    bias: false,
    fit: 'crop',
  })(x);
  const c = maxPool2d({ size: 4, fit: 'pad' })(add(a, b, x));
  const l = globalMaxPool2d()(l2Pool2d({ size: 4, fit: 'pad' })(b));
  const d = avgPool2d({ size: 4, padding: 0, countPadding: false })(
    mul(a, scale(shift(neg(b), 1), 0.5)),
  );
  const e = dropout({ rate: 0.3 })(concat(c, d, z));
  const f = dense({ units: 9, init: xavier(), name: 'out' })(flatten()(e));
  const g = sqrt(abs(reshape([3, 3, 1])(f)));
  const h = div(sub(exp(g), log(shift(square(g), 1))), mean(f));
  return network([x, z], [globalAvgPool2d()(h), add(f, sum(z)), l], { fit: 'pad' });
}

describe('network JSON', () => {
  it('round-trips every kind of layer', () => {
    const net = everything();
    const text = JSON.stringify(net);
    const again = Network.fromJSON(JSON.parse(text));
    expect(JSON.stringify(again)).to.equal(text);
    expect(again.parameters()).to.deep.equal(net.parameters());
    expect(again.nodes.map(({ name, shape, batched }) => ({ name, shape, batched }))).to.deep.equal(
      net.nodes.map(({ name, shape, batched }) => ({ name, shape, batched })),
    );
  });

  it('keeps a shared layer one layer', () => {
    const again = Network.fromJSON(JSON.parse(JSON.stringify(everything())));
    const [first, second] = again.nodes.filter(({ name }) => name === 'conv1');
    expect(first!.layer).to.equal(second!.layer);
  });

  it('spells out defaults, so that they may change', () => {
    const json = sequential([4, 4, 1], [conv2d({ filters: 2, size: 3 })]).toJSON();
    expect(json.format).to.equal(1);
    expect(json.nodes[1]!.options).to.deep.equal({
      filters: 2,
      size: [3, 3],
      stride: [1, 1],
      padding: { top: 0, right: 0, bottom: 0, left: 0 },
      dilation: [1, 1],
      groups: 1,
      algorithm: 'auto',
      winograd: true,
      bias: true,
      init: { kind: 'heNormal' },
      biasInit: { kind: 'constant', value: 0 },
    });
  });

  const good = (): Record<string, unknown> =>
    JSON.parse(
      JSON.stringify(
        sequential([8, 8, 1], [conv2d({ filters: 2, size: 3 }), relu(), dense({ units: 2 })]),
      ),
    ) as Record<string, unknown>;

  const spoiled: [
    string,
    (json: Record<string, unknown>, nodes: Record<string, unknown>[]) => unknown,
  ][] = [
    ['no object', () => null],
    ['text', () => '{}'],
    ['a list', () => []],
    ['nothing', () => ({})],
    ['another format', (json) => (json.format = 2)],
    ['an unknown fit', (json) => (json.fit = 'floor')],
    ['nodes that are no list', (json) => (json.nodes = { length: 3 })],
    ['no nodes', (json) => (json.nodes = [])],
    ['too many nodes', (json) => (json.nodes = new Array<null>(200_000).fill(null))],
    ['a node that is null', (_, nodes) => (nodes[1] = null as never)],
    ['an unknown kind', (_, nodes) => (nodes[1]!.kind = 'conv3d')],
    ['a kind that every object has', (_, nodes) => (nodes[1]!.kind = 'constructor')],
    ['a kind that is a number', (_, nodes) => (nodes[1]!.kind = 7)],
    ['an unknown option', (_, nodes) => (nodes[1]!.options = { filters: 2, size: 3, sizes: 3 })],
    ['a missing option', (_, nodes) => (nodes[1]!.options = { filters: 2 })],
    [
      '__proto__ among the options',
      (_, nodes) => (nodes[2]!.options = JSON.parse('{"__proto__": {"a": 1}}') as unknown),
    ],
    ['negative filters', (_, nodes) => (nodes[1]!.options = { filters: -2, size: 3 })],
    ['an endless volume', (_, nodes) => (nodes[0]!.shape = [1e9, 1e9, 1e9])],
    ['a volume of text', (_, nodes) => (nodes[0]!.shape = ['8', '8', '1'])],
    ['an unknown type', (_, nodes) => (nodes[0]!.dtype = 'float16')],
    ['an input node from a later one', (_, nodes) => (nodes[1]!.inputs = [2])],
    ['an input node that is its own', (_, nodes) => (nodes[1]!.inputs = [1])],
    ['an input node below zero', (_, nodes) => (nodes[1]!.inputs = [-1])],
    ['an input node by halves', (_, nodes) => (nodes[1]!.inputs = [0.5])],
    ['two inputs for one', (_, nodes) => (nodes[1]!.inputs = [0, 0])],
    ['no inputs', (_, nodes) => delete nodes[1]!.inputs],
    ['a bad name', (_, nodes) => (nodes[1]!.name = 'a.b')],
    ['a name that is no text', (_, nodes) => (nodes[1]!.name = ['a'])],
    ['one name twice', (_, nodes) => (nodes[2]!.name = 'conv1')],
    ['the name of the input', (_, nodes) => (nodes[2]!.name = 'input1')],
    ['no outputs', (json) => (json.outputs = [])],
    ['an output that is not there', (json) => (json.outputs = [99])],
    ['inputs that are layers', (json) => (json.inputs = [1])],
    ['inputs left out', (json) => (json.inputs = [])],
    [
      'an initialiser that is not there',
      (_, nodes) => (nodes[1]!.options = { filters: 2, size: 3, init: { kind: 'he' } }),
    ],
    [
      'an initialiser of infinity',
      (_, nodes) =>
        (nodes[1]!.options = { filters: 2, size: 3, init: { kind: 'constant', value: '1' } }),
    ],
  ];
  for (const [what, spoil] of spoiled) {
    it(`refuses ${what}`, () => {
      const json = good();
      const replaced = spoil(json, json.nodes as Record<string, unknown>[]);
      const data = ['no object', 'text', 'a list', 'nothing'].includes(what) ? replaced : json;
      const error = thrown(() => Network.fromJSON(data));
      expect(error.code).to.equal('INVALID_FORMAT');
      expect(error.remedy).to.be.a('string').with.length.greaterThan(0);
    });
  }
});
