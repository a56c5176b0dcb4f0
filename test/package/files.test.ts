import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';
import { pack, type Packed } from '../support/pack.js';

const megabyte = 1e6;

describe('package: files', () => {
  const patterns = readFileSync(join(packageRoot, 'test', 'package', 'files.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const matchers = patterns.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return { pattern, matches: new RegExp(`^${parts.join('[^/]*')}$`) };
  });
  let packed: Packed;
  before(() => {
    packed = pack('--dry-run');
  });

  it('every packed file is on the list', () => {
    const strange = packed.files.filter(({ path }) => !matchers.some((m) => m.matches.test(path)));
    expect(strange.map(({ path }) => path)).to.deep.equal([]);
  });

  it('every line of the list is met', () => {
    const idle = matchers.filter(({ matches }) => !packed.files.some((f) => matches.test(f.path)));
    expect(idle.map(({ pattern }) => pattern)).to.deep.equal([]);
  });

  it('is under 2 MB', () => {
    expect(packed.size).to.be.below(2 * megabyte);
  });

  it('the command is executable', () => {
    const bin = packed.files.find(({ path }) => path === 'bin/striate.js');
    expect(bin!.mode & 0o111).to.equal(0o111);
  });
});
