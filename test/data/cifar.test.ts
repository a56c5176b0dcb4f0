import { expect } from 'chai';
import { mkdir, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as data from '../../lib/data/index.js';
import { sampleArrays } from '../../lib/data/dataset.js';
import type { StriateError } from '../../lib/errors.js';
import { errorOf } from '../support/errors.js';

/** Labels, then a red, a green and a blue plane that count up from `start` by 1, 2 and 3. */
function record(labels: number[], start: number): Buffer {
  const planes = [1, 2, 3].map((step) =>
    Buffer.from(Array.from({ length: 1024 }, (_, i) => (start + step * i) % 256)),
  );
  return Buffer.concat([Buffer.from(labels), ...planes]);
}

describe('CIFAR', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'striate-cifar-'));
    for (const batch of [1, 2, 3, 4, 5])
      await writeFile(
        join(folder, `data_batch_${batch}.bin`),
        Buffer.concat([record([batch], 10 * batch), record([9 - batch], 10 * batch + 5)]),
      );
    await writeFile(join(folder, 'test_batch.bin'), record([3], 7));
    await writeFile(join(folder, 'train.bin'), record([19, 99], 1));
    await writeFile(join(folder, 'test.bin'), record([4, 55], 2));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('reads records of all five files, planes as pixels', async () => {
    const { train, test } = await data.cifar10({ dataDir: folder });
    expect([train.length, test.length]).to.deep.equal([10, 1]);
    expect(train.shape).to.deep.equal([32, 32, 3]);
    expect(train.classes![9]).to.equal('truck');
    const into = sampleArrays(train, 3);
    await train.read(Uint32Array.of(9, 0, 4), into);
    expect([...into.target]).to.deep.equal([4, 1, 3]);
    expect([...into.x.subarray(0, 6)]).to.deep.equal([55, 55, 55, 56, 57, 58]);
    const last = 3 * 1023;
    expect([...into.x.subarray(3072 + last, 3072 + last + 3)]).to.deep.equal(
      [1, 2, 3].map((step) => (10 + step * 1023) % 256),
    );
    expect(into.x[2 * 3072]).to.equal(30);
  });

  it('finds the folder in which the archive puts the files, and its names', async () => {
    const inner = join(folder, 'cifar-10-batches-bin');
    await mkdir(inner);
    for (const name of ['test_batch', ...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}`)])
      await rename(join(folder, `${name}.bin`), join(inner, `${name}.bin`));
    const names = Array.from({ length: 10 }, (_, i) => `class ${i}`);
    await writeFile(join(inner, 'batches.meta.txt'), `${names.join('\n')}\n\n`);
    const { test } = await data.cifar10({ dataDir: folder });
    expect(test.classes).to.deep.equal(names);
  });

  it('CIFAR-100 has fine and coarse labels', async () => {
    const labelOf = async (labels: 'fine' | 'coarse'): Promise<number> => {
      const { train } = await data.cifar100({ dataDir: folder, labels });
      const into = sampleArrays(train, 1);
      await train.read(Uint32Array.of(0), into);
      return into.target[0]!;
    };
    expect(await labelOf('fine')).to.equal(99);
    expect(await labelOf('coarse')).to.equal(19);
    const error = (await errorOf(
      data.cifar100({ dataDir: folder, labels: 'both' as 'fine' }),
    )) as StriateError;
    expect(error.code).to.equal('INVALID_ARGUMENT');
  });

  it('says which file is missing, cut, or holds a label that is none', async () => {
    const failure = async (): Promise<StriateError> => {
      const made = data.cifar10({ dataDir: folder });
      const read = made.then(({ test }) => test.read(Uint32Array.of(0), sampleArrays(test, 1)));
      return (await errorOf(read)) as StriateError;
    };
    await writeFile(join(folder, 'test_batch.bin'), record([10], 7));
    expect((await failure()).message).to.contain('label 10');
    await truncate(join(folder, 'test_batch.bin'), 3000);
    expect((await failure()).message).to.contain('3000 bytes');
    await rm(join(folder, 'test_batch.bin'));
    const missing = await failure();
    expect(missing.code).to.equal('INVALID_DATA');
    expect(missing.message).to.contain('test_batch.bin');
    expect(missing.remedy).to.contain('--data-dir');
    const none = (await errorOf(data.cifar10({} as data.CifarOptions))) as StriateError;
    expect(none.code).to.equal('INVALID_DATA');
  });

  it('notices a file that becomes shorter, an index beyond the last, and an abort', async () => {
    const { train, test } = await data.cifar10({ dataDir: folder });
    const codeOf = async (read: Promise<unknown>): Promise<string> =>
      ((await errorOf(read)) as StriateError).code;
    const into = sampleArrays(train, 1);
    expect(await codeOf(Promise.resolve(test.read(Uint32Array.of(1), into)).then())).to.equal(
      'INVALID_ARGUMENT',
    );
    const aborted = AbortSignal.abort('enough');
    expect(await codeOf(Promise.resolve(train.read(Uint32Array.of(1), into, aborted)))).to.equal(
      'CANCELLED',
    );
    await truncate(join(folder, 'test_batch.bin'), 100);
    expect(await codeOf(Promise.resolve(test.read(Uint32Array.of(0), into)))).to.equal(
      'INVALID_DATA',
    );
  });
});
