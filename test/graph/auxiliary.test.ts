import { expect } from 'chai';
import { dense, flatten, input, network, Network, relu, type Value } from '../../lib/index.js';
import { codeOf } from '../support/errors.js';
import { thrown } from '../support/thrown.js';

/** A trunk of two dense layers, and a head of two dense layers at its middle. */
function twoHeads(weight: unknown = 0.3, units = 3): Network {
  const x = input([2, 2, 1]);
  const middle = relu()(dense({ units: 5, name: 'trunk1' })(flatten()(x)));
  const side = dense({ units, name: 'side' })(relu()(dense({ units: 4, name: 'hidden' })(middle)));
  const y = dense({ units: 3, name: 'end' })(middle);
  return network(x, y, { auxiliary: [{ output: side, weight: weight as number }] });
}

const names = (net: Network): string[] => net.parameters().map(({ name }) => name);

describe('auxiliary outputs', () => {
  it('belong to the network, beside its output', () => {
    const net = twoHeads();
    expect(net.outputs).to.have.length(1);
    expect(net.nodes[net.outputs[0]!]!.name).to.equal('end');
    expect(net.auxiliary).to.have.length(1);
    expect(net.nodes[net.auxiliary[0]!.output]!.name).to.equal('side');
    expect(net.auxiliary[0]!.weight).to.equal(0.3);
    expect(names(net)).to.include.members(['trunk1.w', 'hidden.w', 'side.b', 'end.w']);
  });

  it('survive JSON; networks without them are written as before', () => {
    const net = twoHeads();
    const json = JSON.parse(JSON.stringify(net)) as object;
    expect(Network.fromJSON(json).toJSON()).to.deep.equal(net.toJSON());
    expect(net.withoutAuxiliary().toJSON()).not.to.have.property('auxiliary');
  });

  it('are left out on request, with what only they need', () => {
    const net = twoHeads();
    const alone = net.withoutAuxiliary();
    expect(names(alone)).to.deep.equal(['trunk1.w', 'trunk1.b', 'end.w', 'end.b']);
    expect(alone.nodes.map(({ id }) => id)).to.deep.equal(alone.nodes.map((_, i) => i));
    expect(alone.withoutAuxiliary()).to.equal(alone);
  });

  it('get new heads as the output does', () => {
    const net = twoHeads().replaceHead({ units: 7 });
    for (const id of [net.outputs[0]!, net.auxiliary[0]!.output])
      expect(net.nodes[id]!.shape).to.deep.equal([7]);
    expect(names(net)).to.include.members(['head.w', 'aux1/head.w', 'hidden.w']);
    expect(net.auxiliary[0]!.weight).to.equal(0.3);
  });

  it('need a head of their own for that', () => {
    const x = input([4]);
    const trunk = dense({ units: 3 })(x);
    const net = network(x, dense({ units: 3 })(trunk), {
      auxiliary: [{ output: relu()(trunk), weight: 1 }],
    });
    expect(thrown(() => net.replaceHead({ units: 2 })).message).to.contain('no head of its own');
  });

  for (const weight of [-1, NaN, '0.3', undefined])
    it(`refuse the weight ${String(weight)}`, () => {
      const make = (): Network => twoHeads(weight === undefined ? null : weight);
      expect(thrown(make)).to.include({ code: 'INVALID_ARGUMENT' });
    });

  it('refuse another shape, no Value, the output itself, a second output', () => {
    expect(thrown(() => twoHeads(0.3, 4)).message).to.match(/side is 4, the output end is 3/);
    const x = input([4]);
    const y = dense({ units: 2 })(x);
    const of = (auxiliary: unknown): (() => Network) => {
      return () => network(x, y, { auxiliary: auxiliary as { output: Value; weight: number }[] });
    };
    for (const wrong of [{}, [{ weight: 1 }], [{ output: y, weight: 1 }], [null], 3])
      expect(thrown(of(wrong)).code).to.equal('INVALID_ARGUMENT');
    const other = dense({ units: 2 })(x);
    const third = dense({ units: 2 })(x);
    const both = (): Network =>
      network(x, [y, other], { auxiliary: [{ output: third, weight: 1 }] });
    expect(thrown(both).message).to.contain('one output');
  });

  it('are checked in JSON', async () => {
    const json = twoHeads().toJSON();
    const wrong: unknown[] = [
      3,
      [3],
      [{ output: 99, weight: 1 }],
      [{ output: 4 }],
      [{ output: 4, weight: -1 }],
      [{ output: 0, weight: 1 }],
    ];
    for (const auxiliary of wrong) {
      const read = async (): Promise<unknown> =>
        Promise.resolve(Network.fromJSON({ ...json, auxiliary }));
      expect(await codeOf(read())).to.equal('INVALID_FORMAT');
    }
  });
});
