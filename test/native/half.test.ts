import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';
import { findProgram } from '../../scripts/tools.js';
import { skipGroup } from '../support/skip.js';
import { temporaryFolder } from '../support/digits.js';

const source = join(packageRoot, 'test', 'native', 'ops', 'half.cpp');

describe('16-bit element types', () => {
  const folder = temporaryFolder();

  it('every number converts as the compiler and as double arithmetic say', function () {
    const compiler = findProgram(['g++', 'clang++']);
    if (compiler === undefined) skipGroup(this, 'a C++ compiler');
    const program = join(folder(), 'half');
    const flags = [
      '-std=c++17',
      '-O2',
      '-Wall',
      '-Wextra',
      '-Werror',
      `-I${join(packageRoot, 'native')}`,
    ];
    const compiled = spawnSync(compiler, [...flags, source, '-o', program], { encoding: 'utf8' });
    // Compilers before GCC 12 have none on x86.
    if (/_Float16/.test(compiled.stderr)) skipGroup(this, 'a C++ compiler with _Float16');
    expect(compiled.stderr).to.equal('');
    const { stdout, status } = spawnSync(program, { encoding: 'utf8' });
    expect(stdout.trim()).to.equal('0 differences');
    expect(status).to.equal(0);
  });
});
