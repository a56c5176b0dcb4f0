import { expect } from 'chai';
import { device, localContrastNorm, Network, sequential } from '../../lib/index.js';
import { recordForward } from '../support/recorder.js';
import { thrown } from '../support/thrown.js';

describe('localContrastNorm', () => {
  it('divides alpha by the values of a window, or takes it as it is', () => {
    const attributesOf = (options: Parameters<typeof localContrastNorm>[0]) =>
      recordForward(localContrastNorm(options), [[4, 4, 8]]).instructions[0]!.attributes;
    const given = { size: 3, alpha: 0.9, beta: 0.5, k: 2 };
    const common = { size: 3, beta: 0.5, k: 2 };
    expect(attributesOf(given)).to.deep.equal({ ...common, scale: 0.9 / 9 });
    expect(attributesOf({ ...given, divideAlpha: false })).to.deep.equal({ ...common, scale: 0.9 });
  });

  it('takes the mean over the part of the window that is inside', async () => {
    await using d = await device('cpu');
    // One row: windows {1, 2}, {1, 2, 6}, {2, 6} have means 1.5, 3 and 4.
    const x = await d.tensor(Float64Array.of(1, 2, 6), [1, 1, 3, 1]);
    const y = await d.ops.localContrastNorm(x, { size: 3, alpha: 4, beta: 1, divideAlpha: false });
    const distances = [0.25, 1, 4];
    const sums = [1.25, 5.25, 5];
    expect(distances.reduce((a, b) => a + b, 0)).to.equal(sums[1]);
    const values = (await y.read()) as Float64Array;
    [1, 2, 6].forEach((v, i) => expect(values[i]).to.be.closeTo(v / (1 + 4 * sums[i]!), 1e-12));
  });

  it('keeps its options in JSON and refuses what it cannot mean', () => {
    const net = sequential([5, 5, 6], [localContrastNorm({ size: 3, k: 2 })]);
    const json = JSON.parse(JSON.stringify(net)) as unknown;
    expect(Network.fromJSON(json).toJSON()).to.deep.equal(json);
    for (const options of [{}, { size: 0 }, { size: 3, alpha: -1 }, { size: 3, region: 'within' }])
      expect(thrown(() => localContrastNorm(options as never)).code).to.equal('INVALID_ARGUMENT');
    expect(thrown(() => sequential([7], [localContrastNorm({ size: 3 })])).code).to.equal(
      'INVALID_SHAPE',
    );
  });
});
