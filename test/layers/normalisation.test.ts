// Group normalisation and frozen batch normalisation as layers.
import { expect } from 'chai';
import {
  batchNorm,
  conv2d,
  groupNorm,
  Network,
  sequential,
  sgd,
  type HostTensor,
} from '../../lib/index.js';
import { mean, square, sub } from '../../lib/layers/index.js';
import type { Value } from '../../lib/graph/value.js';
import { recordForward } from '../support/recorder.js';
import { thrown } from '../support/thrown.js';

const loss = (y: Value, target: Value): Value => mean(square(sub(y, target)));
const wave = (count: number, step: number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(1 + i * step));
const batch = 2;

/** Loss and parameters before and after one step of rate 1, on given weights. */
async function step(net: Network, weights?: ReadonlyMap<string, HostTensor>) {
  await using run = await net.trainer({
    device: 'cpu',
    precision: 'float64',
    batch,
    loss,
    optimizer: sgd({ learningRate: 1 }),
    ...(weights && { weights }),
  });
  const size = net.nodes[0]!.shape.reduce((a, b) => a * b, batch);
  const outputs = net.nodes.at(-1)!.shape.reduce((a, b) => a * b, batch);
  const before = await run.weights();
  const { loss: value } = await run.step({ x: wave(size, 1.7), target: wave(outputs, 0.9) });
  return { value, before, after: await run.weights() };
}

/** Compares one step's change of every parameter with central differences of the loss. */
async function checkGradients(net: Network, weights?: ReadonlyMap<string, HostTensor>) {
  const { before, after } = await step(net, weights);
  for (const { name, spec } of net.parameters()) {
    const [from, to] = [before.get(name)!, after.get(name)!].map(
      ({ data }) => data as Float64Array,
    );
    if (!spec.trainable) {
      expect([...to!], name).to.deep.equal([...from!]);
      continue;
    }
    for (let i = 0; i < from!.length; i += 1) {
      const lossAt = async (by: number): Promise<number> => {
        const moved = Float64Array.from(from!);
        moved[i]! += by;
        const { value } = await step(
          net,
          new Map(before).set(name, { ...before.get(name)!, data: moved }),
        );
        return value;
      };
      const numeric = ((await lossAt(1e-5)) - (await lossAt(-1e-5))) / 2e-5;
      expect(from![i]! - to![i]!, `${name}[${i}]`).to.be.closeTo(
        numeric,
        1e-7 * (1 + Math.abs(numeric)),
      );
    }
  }
}

const given = (entries: Record<string, readonly number[]>): Map<string, HostTensor> =>
  new Map(
    Object.entries(entries).map(([name, values]) => [
      name,
      { dtype: 'float64', shape: [values.length], data: Float64Array.from(values) },
    ]),
  );

describe('groupNorm', () => {
  it('learns what finite differences say', async () => {
    const net = sequential(
      [3, 4, 2],
      [conv2d({ filters: 4, size: 1, bias: false }), groupNorm({ groups: 2, epsilon: 0.1 })],
    );
    await checkGradients(net);
  });

  it('is the same op in training and inference, with two parameters', () => {
    for (const mode of ['train', 'infer'] as const)
      expect(
        recordForward(groupNorm({ groups: 3 }), [[4, 4, 6]], { mode }).instructions.map(
          ({ op, attributes }) => [op, attributes],
        ),
      ).to.deep.equal([['groupNorm', { groups: 3, epsilon: 1e-5 }]]);
    const net = sequential([4, 4, 6], [groupNorm({ groups: 3 })]);
    expect(net.parameters().map(({ name }) => name)).to.deep.equal(['gn1.gamma', 'gn1.beta']);
    const json = JSON.parse(JSON.stringify(net)) as unknown;
    expect(Network.fromJSON(json).toJSON()).to.deep.equal(json);
  });

  it('refuses groups that cannot be', () => {
    for (const options of [
      {},
      { groups: 0 },
      { groups: 2, epsilon: 0 },
      { groups: 2, momentum: 1 },
    ])
      expect(thrown(() => groupNorm(options as never)).code).to.equal('INVALID_ARGUMENT');
    const on = (shape: readonly number[], groups: number) =>
      thrown(() => sequential(shape, [groupNorm({ groups })]));
    expect(on([4, 4, 6], 4).message).to.equal('gn1: 4 groups do not divide 6 channels');
    expect(on([4, 4, 6], 4).remedy).to.equal('Give a divisor: 1, 2, 3.');
    expect(on([6], 6).code).to.equal('INVALID_SHAPE');
    expect(on([2, 6], 2).code).to.equal('INVALID_SHAPE');
  });
});

describe('batchNorm, frozen', () => {
  it('trains with the arithmetic of inference and leaves the statistics', async () => {
    const layers = [conv2d({ filters: 3, size: 2, bias: false }), batchNorm({ frozen: true })];
    const weights = given({
      'bn1.gamma': [1.5, -0.5, 2],
      'bn1.beta': [0.1, 0.2, -0.3],
      'bn1.mean': [0.3, -0.1, 0.2],
      'bn1.variance': [0.5, 2, 1.2],
    });
    const net = sequential([3, 4, 2], layers);
    const { before } = await step(net);
    await checkGradients(net, new Map([...before, ...weights]));
  });

  it('emits no statistics and takes a batch of one value', () => {
    const { instructions } = recordForward(batchNorm({ frozen: true, momentum: 0.3 }), [[6]]);
    expect(instructions.map(({ op, attributes }) => [op, attributes])).to.deep.equal([
      ['batchNormInference', { epsilon: 1e-5, momentum: 0.3 }],
    ]);
  });

  it('stands in JSON only where it is given', () => {
    const options = (layer: ReturnType<typeof batchNorm>) => layer.options;
    expect(options(batchNorm())).not.to.have.property('frozen');
    expect(options(batchNorm({ frozen: true }))).to.include({ frozen: true });
    expect(thrown(() => batchNorm({ frozen: 1 } as never)).code).to.equal('INVALID_ARGUMENT');
  });
});
