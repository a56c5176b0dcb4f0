import { expect } from 'chai';
import { network, type Network } from '../../lib/graph/network.js';
import { input, type Value } from '../../lib/graph/value.js';
import {
  add,
  concat,
  conv2d,
  dense,
  dropout,
  flatten,
  globalAvgPool2d,
  maxPool2d,
  relu,
} from '../../lib/layers/index.js';
import { compileTraining } from '../../lib/program/compile.js';
import { Builder } from '../../lib/program/builder.js';
import { differentiate } from '../../lib/program/differentiate.js';
import type { OpDefinition } from '../../lib/program/op.js';
import type { Program } from '../../lib/program/program.js';
import { verify } from '../../lib/program/verify.js';
import { diamond, named, nestedConcat, recipe, residual, sharedLayer } from './nets.js';

const conv = (filters: number) => conv2d({ filters, size: 3, padding: 1, bias: false });

function train(net: Network): Program {
  return compileTraining(net, recipe);
}

/** Accesses of the instructions of one op to one of their operands. */
function accessesOf(program: Program, op: string, operand: number): (string | undefined)[] {
  return named(program, op).map((i) => i.operands[operand]?.access);
}

describe('differentiate', () => {
  it('overwrites first and accumulates after it: a diamond', () => {
    const program = train(diamond());
    // Backward through the dense layer, then the two branches, into one gradient.
    expect(accessesOf(program, 'conv2dBackwardData', 2)).to.deep.equal([
      'overwrite',
      'overwrite',
      'accumulate',
    ]);
    // Both branches read the gradient of the sum: no copy.
    expect(named(program, 'copy')).to.have.length(0);
    expect(named(program, 'binary').filter((i) => i.phase === 'backward')).to.have.length(0);
  });

  it('adds up three uses of a value', () => {
    const x = input([6, 6, 3]);
    const stem = conv(4)(x);
    const program = train(
      network(x, dense({ units: 3 })(add(add(conv(4)(stem), conv(4)(stem)), conv(4)(stem)))),
    );
    expect(accessesOf(program, 'conv2dBackwardData', 2)).to.deep.equal([
      'overwrite',
      ...['overwrite', 'accumulate', 'accumulate'],
    ]);
    expect(named(program, 'copy')).to.have.length(0);
  });

  it('shares the gradient of a residual sum without a copy', () => {
    const program = train(residual());
    expect(named(program, 'copy')).to.have.length(0);
    expect(accessesOf(program, 'conv2dBackwardData', 2)).to.deep.equal([
      'overwrite',
      'overwrite',
      'accumulate',
    ]);
  });

  it('copies a shared gradient before it is written while another reader waits', () => {
    const x = input([6, 6, 3]);
    const a = conv(4)(x);
    const b = relu()(conv(4)(a));
    // dy of the sum goes to a and to b; b's branch adds to a's part, c's reader still needs dy.
    const c = dropout({ rate: 0.5 })(a);
    const program = train(network(x, dense({ units: 3 })(add(add(a, c), b))));
    expect(named(program, 'copy').length).to.be.at.most(1);
  });

  it('doubles the gradient of a value added to itself', () => {
    const x = input([6, 6, 3]);
    const a = conv(4)(x);
    const program = train(network(x, dense({ units: 3 })(add(a, a))));
    const copies = named(program, 'copy');
    expect(copies.map((i) => i.operands[1]!.access)).to.deep.equal(['overwrite', 'accumulate']);
    const [first, second] = copies;
    expect(first!.operands[0]!.buffer).to.equal(second!.operands[0]!.buffer);
    expect(first!.operands[1]!.buffer).to.equal(second!.operands[1]!.buffer);
  });

  it('writes concatenations in place, and takes gradients from channel ranges', () => {
    const program = train(nestedConcat());
    expect(named(program, 'copy')).to.have.length(0);
    const wide = program.instructions
      .filter((i) => i.phase === 'forward')
      .flatMap((i) => i.operands.slice(1))
      .filter((o) => o?.access === 'overwrite' && o.pitch === 14);
    expect(wide.map((o) => [o!.offset, o!.shape.at(-1)])).to.deep.equal([
      [0, 2],
      [2, 3],
      [5, 5],
      [10, 4],
    ]);
    const gradients = program.instructions
      .filter((i) => i.op === 'maxPool2dBackward' || i.op === 'reluBackward')
      .flatMap((i) => i.operands)
      .filter(
        (o) =>
          o?.access === 'read' &&
          o.pitch === 14 &&
          program.buffers[o.buffer]!.category === 'activationGradients',
      );
    expect(gradients.map((o) => o!.offset)).to.include.members([2, 5, 10]);
  });

  it('copies what cannot be in two places', () => {
    const x = input([6, 6, 3]);
    const a = conv(2)(x);
    const b = conv(3)(x);
    const twice = train(network(x, dense({ units: 3 })(concat(a, a))));
    expect(named(twice, 'copy').filter((i) => i.phase === 'forward')).to.have.length(1);
    const two = train(
      network(x, dense({ units: 3 })(globalAvgPool2d()(concat(concat(a, b), concat(b, a))))),
    );
    expect(named(two, 'copy').filter((i) => i.phase === 'forward')).to.have.length(2);
    const images = train(network(x, dense({ units: 3 })(concat(x, a))));
    expect(named(images, 'copy').filter((i) => i.phase === 'forward')).to.have.length(1);
  });

  it('copies a volume that is flattened elsewhere', () => {
    const x = input([6, 6, 3]);
    const a = conv(2)(x);
    const side = dense({ units: 4 })(flatten()(a));
    const main = globalAvgPool2d()(concat(a, conv(2)(x)));
    const program = train(network(x, dense({ units: 3 })(concat(side, main))));
    expect(named(program, 'copy').filter((i) => i.phase === 'forward')).to.have.length(1);
  });

  it('accumulates the gradients of a layer applied twice', () => {
    const program = train(sharedLayer());
    expect(program.parameters.map((p) => p.name)).to.have.members([
      'shared.w',
      'shared.b',
      'fc1.w',
      'fc1.b',
    ]);
    expect(accessesOf(program, 'conv2dBackwardFilter', 2)).to.deep.equal([
      'overwrite',
      'overwrite',
      'accumulate',
    ]);
    expect(accessesOf(program, 'conv2dBackwardFilter', 3)).to.deep.equal([
      'overwrite',
      'overwrite',
      'accumulate',
    ]);
    // Finished last, so it stands last.
    expect(program.parameters.slice(-2).map((p) => p.name)).to.have.members([
      'shared.w',
      'shared.b',
    ]);
  });

  it('spends nothing on what needs no gradient', () => {
    const x = input([6, 6, 3]);
    // A branch without parameters, straight from the images.
    const side = maxPool2d({ size: 3, stride: 1, padding: 1 })(x);
    const program = train(network(x, dense({ units: 3 })(concat(conv(2)(x), side))));
    expect(named(program, 'maxPool2dBackward')).to.have.length(0);
    expect(named(program, 'maxPool2d')[0]!.operands[2]).to.equal(null);
    expect(named(program, 'conv2dBackwardData')).to.have.length(1);
  });

  it('drops a branch that nobody reads, and its parameters learn nothing', () => {
    const x = input([6, 6, 3]);
    const used = dense({ units: 3 })(x);
    const net = network(x, [used, dense({ units: 5 })(relu()(conv(2)(x)))]);
    // The same nodes with one output: the other branch is still in the list.
    const half = {
      nodes: net.nodes,
      inputs: net.inputs,
      outputs: net.outputs.slice(0, 1),
      fit: net.fit,
      parameters: () => net.parameters(),
    };
    const program = compileTraining(half, recipe);
    expect(named(program, 'conv2d')).to.have.length(1);
    expect(program.parameters.filter((p) => p.trainable).map((p) => p.name)).to.deep.equal([
      'fc1.w',
      'fc1.b',
    ]);
    expect(program.parameters).to.have.length(5);
  });

  it("never writes into the caller's gradient", () => {
    const x = input([6, 6, 3]);
    const a = conv(4)(x);
    const net = network(x, add(a, relu()(conv(4)(a))));
    const program = compileTraining(net, { ...recipe, loss: 'external' });
    expect(verify(program)).to.deep.equal([]);
    expect(named(program, 'copy').map((i) => i.operands[1]!.access)).to.deep.equal(['overwrite']);
    expect(accessesOf(program, 'conv2dBackwardData', 2)).to.deep.equal(['accumulate']);
  });

  it('adds both gradients of one instruction to a value that stands in it twice', () => {
    const builder = new Builder(2, 'float32');
    const options = { dtype: 'float32', category: 'activations' } as const;
    const x = builder.tensor([5], true, { ...options, name: 'x' });
    const y = builder.tensor([5], true, { ...options, name: 'y' });
    const pairBackward: OpDefinition = {
      name: 'pairBackward',
      operands: [
        { name: 'dy', role: 'in' },
        { name: 'da', role: 'out', optional: true },
        { name: 'db', role: 'out', optional: true },
      ],
      attributes: {},
    };
    const pair: OpDefinition = {
      name: 'pair',
      operands: [
        { name: 'a', role: 'in' },
        { name: 'b', role: 'in' },
        { name: 'y', role: 'out' },
      ],
      attributes: {},
      backward(g) {
        g.contribute(['a', 'b'], ({ a, b }) => {
          g.emit(pairBackward, {}, { dy: g.gradientOf('y'), da: a, db: b });
        });
      },
    };
    builder.emit(pair, {}, { a: x, b: x, y }, { layer: 'pair', phase: 'forward' });
    const gradient = builder.tensor([5], true, { ...options, name: 'dy', region: 'input' });
    const home = builder.tensor([5], true, { ...options, name: 'dx', region: 'gradients' });
    differentiate(builder, [{ form: 'external', tensor: y, gradient }], new Map([[x, home]]));
    const [, backward, sum] = builder.steps;
    expect(builder.steps.map((s) => s.op.name)).to.deep.equal(['pair', 'pairBackward', 'copy']);
    expect(backward!.operands.get('da')).to.deep.include({ access: 'overwrite', tensor: home });
    const apart = backward!.operands.get('db')!.tensor;
    expect(apart.storage).not.to.equal(home.storage);
    expect(sum!.operands.get('x')!.tensor.storage).to.equal(apart.storage);
    expect(sum!.operands.get('y')).to.deep.include({ access: 'accumulate', tensor: home });
  });

  it('says which op has no gradient', () => {
    const builder = new Builder(1, 'float32');
    const options = { dtype: 'float32', category: 'activations' } as const;
    const x = builder.tensor([2], true, { ...options, name: 'x' });
    const y = builder.tensor([], false, { ...options, name: 'y' });
    const op: OpDefinition = {
      name: 'argmax',
      operands: [
        { name: 'x', role: 'in' },
        { name: 'y', role: 'out' },
      ],
      attributes: {},
    };
    builder.emit(op, {}, { x, y }, { layer: 'top', phase: 'forward' });
    const run = () => differentiate(builder, [{ form: 'scalar', tensor: y }], new Map([[x, x]]));
    expect(run)
      .to.throw('top: op argmax has no gradient')
      .with.property('code', 'INVALID_ARGUMENT');
  });

  it('walks a deep chain', () => {
    const x = input([4, 4, 3]);
    let y: Value = conv(3)(x);
    for (let i = 0; i < 300; i++) y = add(relu()(y), y);
    const program = train(network(x, dense({ units: 3 })(y)));
    expect(named(program, 'reluBackward')).to.have.length(300);
  });
});
