import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fromHalf, toHalf } from '../../lib/program/half.js';
import { packageRoot } from '../../scripts/paths.js';
import { findProgram } from '../../scripts/tools.js';
import { skipGroup } from '../support/skip.js';
import { temporaryFolder } from '../support/digits.js';

const source = join(packageRoot, 'test', 'native', 'ops', 'half.cpp');
const converter = join(packageRoot, 'test', 'native', 'ops', 'half_convert.cpp');

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

  it('TypeScript converts as the native code does', function () {
    const compiler = findProgram(['g++', 'clang++']);
    if (compiler === undefined) skipGroup(this, 'a C++ compiler');
    const program = join(folder(), 'half_convert');
    const include = `-I${join(packageRoot, 'native')}`;
    execFileSync(compiler, ['-std=c++17', '-O2', include, converter, '-o', program]);
    // Around every point half way between two 16-bit numbers of either kind, ties included.
    const ends = [
      ...[0x0000, 0x0001, 0x0fff, 0x1000, 0x1001, 0x3000, 0x7fff, 0x8000, 0x8001, 0xefff, 0xf000],
      0xffff,
    ];
    const words = new Uint32Array(0x10000 * ends.length);
    for (let i = 0; i < words.length; ++i)
      words[i] = Math.floor(i / ends.length) * 0x10000 + ends[i % ends.length]!;
    const values = new Float32Array(words.buffer);
    const output = execFileSync(program, { input: words, maxBuffer: 2 ** 26 });
    const bytes = new Uint8Array(output).buffer;
    const halves = new Uint16Array(bytes, 0, 2 * words.length);
    const floats = new Float32Array(bytes, 4 * words.length);
    for (const [k, dtype] of (['bfloat16', 'float16'] as const).entries()) {
      const found = toHalf(dtype, values);
      const differs = found.findIndex((bits, i) => bits !== halves[2 * i + k]);
      expect(differs, `${dtype} of ${words[differs]?.toString(16)}`).to.equal(-1);
      const back = fromHalf(
        dtype,
        Array.from({ length: 0x10000 }, (_, bits) => bits),
      );
      const wrong = back.findIndex((value, bits) => !Object.is(value, floats[2 * bits + k]));
      expect(wrong, `${dtype} ${wrong.toString(16)}`).to.equal(-1);
    }
  });
});
