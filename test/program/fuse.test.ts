import { expect } from 'chai';
import { network, type Network } from '../../lib/graph/network.js';
import { input } from '../../lib/graph/value.js';
import { add, batchNorm, concat, conv2d, dense, dropout, relu } from '../../lib/layers/index.js';
import { compileInference, compileTraining } from '../../lib/program/compile.js';
import type { Program } from '../../lib/program/program.js';
import { named, recipe } from './nets.js';

const conv = (filters: number) => conv2d({ filters, size: 3, padding: 1 });
const train = (net: Network): Program => compileTraining(net, { ...recipe, recompute: 'none' });

/** Whether the op's first output lies in the buffer that it reads first. */
function inPlace(program: Program, op: string): boolean[] {
  return named(program, op).map(({ operands }) => {
    const out = operands.find((o) => o !== null && o.access !== 'read');
    return operands.some((o) => o?.access === 'read' && o.buffer === out!.buffer);
  });
}

describe('fusion of convolution and rectifier', () => {
  const x = input([6, 6, 3]);

  it('takes the rectifier into the convolution, training and inference', () => {
    const net = network(x, dense({ units: 3 })(relu()(conv(4)(x))));
    for (const program of [train(net), compileInference(net, { batch: 2 })]) {
      expect(named(program, 'relu')).to.have.length(0);
      expect(named(program, 'conv2d').map((i) => i.attributes.activation)).to.deep.equal([1, 0]);
    }
    expect(named(train(net), 'reluBackward')).to.have.length(1);
  });

  it('leaves a convolution alone whose output is read elsewhere', () => {
    const y = conv(4)(x);
    for (const net of [
      network(x, dense({ units: 3 })(add(relu()(y), y))),
      network(x, dense({ units: 3 })(add(relu()(y), relu()(y)))),
    ]) {
      const program = train(net);
      expect(named(program, 'conv2d')[0]!.attributes.activation).to.equal(0);
      expect(named(program, 'relu').length).to.be.at.least(1);
    }
    const two = compileInference(network(x, [y, relu()(y)]), { batch: 1 });
    expect(named(two, 'conv2d')[0]!.attributes.activation).to.equal(0);
  });

  it('tells a convolution that reads what the rectifier reads from one that writes it', () => {
    const net = network(x, add(conv(3)(x), relu()(x)));
    for (const program of [
      train(network(x, dense({ units: 3 })(add(conv(3)(x), relu()(x))))),
      compileInference(net, { batch: 2 }),
    ]) {
      expect(named(program, 'relu')).to.have.length(1);
      expect(named(program, 'conv2d')[0]!.attributes.activation).to.equal(0);
    }
  });

  it('writes the rectified values straight into a concatenation', () => {
    const program = train(
      network(x, dense({ units: 3 })(concat(relu()(conv(4)(x)), relu()(conv(5)(x))))),
    );
    const written = named(program, 'conv2d').map((i) => i.operands[3]!);
    expect(written.slice(0, 2).map((o) => [o.offset, o.pitch])).to.deep.equal([
      [0, 9],
      [4, 9],
    ]);
    expect(named(program, 'copy')).to.have.length(0);
  });
});

describe('in place', () => {
  const x = input([6, 6, 3]);

  it('rectifies where batch normalisation wrote, and adds where its branch ended', () => {
    const stem = relu()(batchNorm()(conv(4)(x)));
    const program = train(network(x, dense({ units: 3 })(add(batchNorm()(conv(4)(stem)), stem))));
    expect(inPlace(program, 'relu')).to.deep.equal([true]);
    expect(inPlace(program, 'binary')).to.deep.equal([true]);
    // Its input is needed for its own gradient.
    expect(inPlace(program, 'batchNorm')).to.deep.equal([false, false]);
  });

  it('normalises in place for inference', () => {
    const net = network(x, dense({ units: 3 })(relu()(batchNorm()(conv(4)(x)))));
    const program = compileInference(net, { batch: 2 });
    expect(inPlace(program, 'batchNormInference')).to.deep.equal([true]);
    expect(inPlace(program, 'relu')).to.deep.equal([true]);
  });

  it('drops out in place only where the value is not needed again', () => {
    const fused = train(
      network(x, dense({ units: 3 })(dropout({ rate: 0.5 })(relu()(conv(4)(x))))),
    );
    // Forward, the rectifier's gradient still reads its output; backward, nothing does.
    expect(inPlace(fused, 'dropout')).to.deep.equal([false, true]);
    const plain = train(network(x, dense({ units: 3 })(dropout({ rate: 0.5 })(conv(4)(x)))));
    expect(inPlace(plain, 'dropout')).to.deep.equal([true, true]);
  });

  it('never changes what the caller gave or will read', () => {
    const y = conv(4)(x);
    const two = compileInference(network(x, [y, relu()(y)]), { batch: 1 });
    expect(inPlace(two, 'relu')).to.deep.equal([false]);
    const first = compileInference(network(x, dense({ units: 3 })(relu()(x))), { batch: 1 });
    expect(inPlace(first, 'relu')).to.deep.equal([false]);
  });
});
