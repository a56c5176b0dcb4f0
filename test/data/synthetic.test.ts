import { expect } from 'chai';
import * as data from '../../lib/data/index.js';
import { sampleArrays } from '../../lib/data/dataset.js';
import { codeOf } from '../support/errors.js';

describe('synthetic images', () => {
  const options = { length: 12, shape: [5, 7, 3], classes: 4 };
  const read = async (set: data.Dataset, ...indices: number[]) => {
    const into = sampleArrays(set, indices.length);
    await set.read(Uint32Array.from(indices), into);
    return { x: [...into.x], target: [...into.target] };
  };

  it('depend on seed and index alone', async () => {
    const set = data.synthetic(options);
    const { x, target } = await read(set, 6, 1);
    expect(target).to.deep.equal([2, 1]);
    expect((await read(set, 1)).x).to.deep.equal(x.slice(105));
    expect((await read(data.synthetic(options), 6)).x).to.deep.equal(x.slice(0, 105));
    const other = await read(data.synthetic({ ...options, seed: 2 ** 40 }), 6);
    expect(other.x).to.not.deep.equal(x.slice(0, 105));
  });

  it('of one class differ, but less than those of two', async () => {
    const set = data.synthetic({ length: 8, shape: [32, 32, 3], classes: 4 });
    const mean = async (index: number): Promise<number[]> => {
      const { x } = await read(set, index);
      return [0, 1, 2].map((c) => x.filter((_, i) => i % 3 === c).reduce((a, b) => a + b) / 1024);
    };
    const distance = (a: number[], b: number[]): number =>
      Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
    const [first, same, other] = [await mean(0), await mean(4), await mean(1)];
    expect((await read(set, 0)).x).to.not.deep.equal((await read(set, 4)).x);
    expect(distance(first, same)).to.be.below(6);
    expect(distance(first, other)).to.be.above(10);
  });

  it('refuse what is no number of samples, classes or seed', async () => {
    for (const wrong of [{ length: 0 }, { classes: 1.5 }, { seed: -1 }, { shape: [0, 2, 3] }])
      expect(await codeOf(Promise.resolve().then(() => data.synthetic(wrong)))).to.match(
        /INVALID_(ARGUMENT|SHAPE)/,
      );
  });
});
