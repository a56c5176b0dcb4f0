import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';
import { findProgram } from '../../scripts/tools.js';
import { native } from '../ops/run.js';
import { temporaryFolder } from '../support/digits.js';
import { skipGroup } from '../support/skip.js';

const source = join(packageRoot, 'test', 'native', 'cpu', 'vector_math.cpp');

/** Units in the last place, as native/cpu/vector_math.h states them. */
const stated: Readonly<Record<string, number>> = {
  exponential: 1.1,
  exponentialMinusOne: 1,
  hyperbolicTangent: 1.4,
  logOnePlus: 2,
  sigmoid: 2.5,
  normalTail: 7,
  normalDensity: 4,
};
const flagsOf: Readonly<Record<string, readonly string[]>> = {
  baseline: [],
  avx2: ['-mavx2', '-mfma'],
  avx512: ['-mavx512f', '-mavx512dq', '-mavx512vl', '-mfma'],
};

describe('vector mathematics', () => {
  const folder = temporaryFolder();

  for (const set of native.describeCpu().instructionSets)
    it(`errors are within the stated ones on ${set}`, function () {
      const compiler = findProgram(['g++', 'clang++']);
      const flags = flagsOf[set];
      if (compiler === undefined || flags === undefined) skipGroup(this, 'a C++ compiler');
      const program = join(folder(), `vector_math_${set}`);
      const compiled = spawnSync(
        compiler,
        [
          ...['-std=c++17', '-O3', '-Wall', '-Wextra', '-Werror', '-Wno-psabi'],
          ...['-ffp-contract=fast', '-fno-math-errno', '-fno-trapping-math', ...flags],
          ...[`-I${join(packageRoot, 'native')}`, source, '-o', program],
        ],
        { encoding: 'utf8' },
      );
      expect(compiled.stderr).to.equal('');
      const { stdout, status } = spawnSync(program, { encoding: 'utf8' });
      expect(status, stdout).to.equal(0);
      const found = stdout.trim().split('\n');
      expect(found.map((line) => line.split(' ')[0])).to.deep.equal(Object.keys(stated));
      for (const line of found) {
        const [name, error] = line.split(' ');
        expect(Number(error), line).to.be.below(stated[name!]!);
      }
    }).timeout(60_000);
});
