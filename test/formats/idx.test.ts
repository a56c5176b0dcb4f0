import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { StriateError } from '../../lib/errors.js';
import { readIdx } from '../../lib/formats/idx.js';
import { codeOf, errorOf } from '../support/errors.js';

const idx = Buffer.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]);

describe('IDX', () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'striate-idx-'));
    path = join(folder, 'file');
  });
  after(() => rm(folder, { recursive: true }));

  for (const [how, bytes] of [
    ['plain', idx],
    ['gzipped', gzipSync(idx)],
  ] as const)
    it(`reads a ${how} file`, async () => {
      await writeFile(path, bytes);
      const { shape, data } = await readIdx(path);
      expect(shape).to.deep.equal([2, 3]);
      expect([...data]).to.deep.equal([1, 2, 3, 4, 5, 6]);
    });

  it('names the file and the bytes of a truncated one', async () => {
    for (let length = 0; length < idx.length; length++) {
      await writeFile(path, idx.subarray(0, length));
      expect(await codeOf(readIdx(path)), `${length} bytes`).to.equal('INVALID_DATA');
    }
    const error = (await errorOf(readIdx(path))) as StriateError;
    expect(error.message).to.contain(path).and.contain('expected 18 bytes, found 17');
  });

  it('refuses a truncated gzip file, longer data, other types and other files', async () => {
    const zipped = gzipSync(idx);
    const wrong = [
      zipped.subarray(0, zipped.length - 4),
      zipped.subarray(0, 12),
      Buffer.concat([idx, Buffer.alloc(1)]),
      Buffer.from([0, 0, 0x0d, 1, 0, 0, 0, 0]),
      Buffer.from([0, 0, 8, 0]),
      Buffer.from([0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
      Buffer.from('no idx file'),
    ];
    for (const bytes of wrong) {
      await writeFile(path, bytes);
      expect(await codeOf(readIdx(path))).to.equal('INVALID_DATA');
    }
  });

  it('names a missing file', async () => {
    const error = (await errorOf(readIdx(join(folder, 'none')))) as StriateError;
    expect(error.code).to.equal('INVALID_DATA');
    expect(error.message).to.contain('none');
  });
});
