// Which windows and which alpha the two definitions mean, as attributes of the op and as numbers.
import { expect } from 'chai';
import {
  device,
  input,
  localResponseNorm,
  network,
  Network,
  sequential,
  type LocalResponseNormOptions,
} from '../../lib/index.js';
import { recordForward } from '../support/recorder.js';
import { thrown } from '../support/thrown.js';

const attributesOf = (options: LocalResponseNormOptions) =>
  recordForward(localResponseNorm(options), [[4, 4, 8]]).instructions[0]!.attributes;

describe('localResponseNorm', () => {
  it('divides alpha by the values of a window, or takes it as it is', () => {
    const given = { alpha: 0.9, beta: 0.5, k: 2 };
    const common = { beta: 0.5, k: 2 };
    const across = { size: 5, region: 0, ...common };
    const within = { size: 3, region: 1, ...common };
    expect(attributesOf({ size: 5, ...given })).to.deep.equal({ ...across, scale: 0.9 / 5 });
    expect(attributesOf({ size: 5, ...given, divideAlpha: false })).to.deep.equal({
      ...across,
      scale: 0.9,
    });
    expect(attributesOf({ size: 3, ...given, region: 'within' })).to.deep.equal({
      ...within,
      scale: 0.9 / 9,
    });
    expect(attributesOf({ size: 3, ...given, region: 'within', divideAlpha: false })).to.deep.equal(
      { ...within, scale: 0.9 },
    );
    expect(attributesOf({ size: 5 })).to.deep.equal({
      ...{ size: 5, region: 0, scale: 1e-4 / 5, beta: 0.75, k: 1 },
    });
  });

  it("gives the paper's and Caffe's numbers", async () => {
    await using d = await device('cpu');
    const x = await d.tensor(Float64Array.of(1, 2, 3, 4, 5, 6), [1, 1, 1, 6]);
    const sums = [14, 30, 55, 90, 86, 77];
    const run = async (options: Partial<LocalResponseNormOptions>): Promise<number[]> => {
      const y = await d.ops.localResponseNorm(x, { size: 5, ...options });
      return Array.from((await y.read()) as Float64Array);
    };
    const paper = await run({ alpha: 0.5, k: 2, divideAlpha: false });
    const caffe = await run({ alpha: 0.5 });
    sums.forEach((sum, i) => {
      expect(paper[i]).to.be.closeTo((i + 1) / (2 + 0.5 * sum) ** 0.75, 1e-12);
      expect(caffe[i]).to.be.closeTo((i + 1) / (1 + Math.fround(0.1) * sum) ** 0.75, 1e-12);
    });
  });

  it('keeps its options in JSON', () => {
    const net = sequential([5, 5, 6], [localResponseNorm({ size: 3, region: 'within', k: 2 })]);
    const json = JSON.parse(JSON.stringify(net)) as unknown;
    expect(Network.fromJSON(json).toJSON()).to.deep.equal(json);
    expect(net.nodes[1]!.name).to.equal('norm1');
  });

  it('refuses what it cannot mean', () => {
    for (const options of [
      {},
      { size: 0 },
      { size: 2.5 },
      { size: 5, alpha: -1 },
      { size: 5, alpha: NaN },
      { size: 5, beta: 0 },
      { size: 5, k: 0 },
      { size: 5, region: 'both' },
      { size: 5, divideAlpha: 1 },
      { size: 5, bias: 1 },
    ])
      expect(
        thrown(() => localResponseNorm(options as never)).code,
        JSON.stringify(options),
      ).to.equal('INVALID_ARGUMENT');
    const x = input([7]);
    expect(thrown(() => network(x, localResponseNorm({ size: 5 })(x))).code).to.equal(
      'INVALID_SHAPE',
    );
  });
});
