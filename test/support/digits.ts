import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder that goes when the test's group ends. */
export function temporaryFolder(): () => string {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'striate-test-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  return () => folder;
}

function idx(extents: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * extents.length);
  header.writeUInt32BE(0x0800 + extents.length, 0);
  extents.forEach((extent, i) => header.writeUInt32BE(extent, 4 + 4 * i));
  return Buffer.concat([header, data]);
}

/**
 * The four IDX files of a data set that is learned in seconds: class k is a bright bar in rows 2k to
 * 2k + 3, over noise from a linear congruential generator.
 */
export function writeDigits(folder: string, sizes: { train: number; test: number }): void {
  let state = 12345;
  const random = (): number => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
  for (const [part, n] of [
    ['train', sizes.train],
    ['t10k', sizes.test],
  ] as const) {
    const labels = Uint8Array.from({ length: n }, () => Math.floor(random() * 10));
    const images = Uint8Array.from({ length: n * 784 }, (_, i) => {
      const row = Math.floor((i % 784) / 28);
      const top = 2 * labels[Math.floor(i / 784)]!;
      return Math.floor(random() * 60) + (row >= top && row < top + 4 ? 180 : 0);
    });
    writeFileSync(join(folder, `${part}-images-idx3-ubyte`), idx([n, 28, 28], images));
    writeFileSync(join(folder, `${part}-labels-idx1-ubyte`), idx([n], labels));
  }
}
