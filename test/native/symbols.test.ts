/**
 * The same headers are compiled once for each instruction set. A function that is weak in an AVX object
 * (an inline function or a template that was not inlined) would be merged by the linker with its twins of
 * the other sets, and the baseline could then run AVX instructions on a machine that has none. So every
 * weak symbol of those objects must belong to the namespace of its instruction set.
 */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';
import { skipGroup } from '../support/skip.js';

const instructionSets = ['avx2', 'avx512'] as const;

/** Where CMake leaves the objects of one instruction set. */
function objectsOf(instructionSet: string): string[] {
  const addon = process.env.STRIATE_ADDON;
  const builds = [
    ...(addon === undefined ? [] : [dirname(addon)]),
    join(packageRoot, 'build', 'objects'),
  ];
  for (const build of builds) {
    const folder = join(build, 'CMakeFiles', `striate_${instructionSet}.dir`);
    if (!existsSync(folder)) continue;
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.o'))
      .map((file) => join(folder, file));
  }
  return [];
}

/**
 * Weak symbols that an object defines outside the namespace of its instruction set, demangled. The step
 * that `ThreadPool::forEach` hands to the threads is named after the body that it calls, so it belongs to
 * the namespace of that body.
 */
function strayWeakSymbols(object: string, instructionSet: string): string[] {
  const space = `striate::cpu::${instructionSet}::`;
  const own = new RegExp(
    `^(?:[a-z]+ for )*(?:[\\w:&*]+ )*(?:striate::cpu::ThreadPool::forEach<)?${space}`,
  );
  // Lambdas within lambdas: nm leaves the longest names mangled, as a step of forEach begins.
  const mangled = new RegExp(
    `^_ZZN7striate3cpu10ThreadPool7forEachIZNS0_${instructionSet.length}${instructionSet}`,
  );
  return execFileSync('nm', ['-C', '--defined-only', object], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
    .split('\n')
    .map((line) => /^[0-9a-f]* *[WVu] (.*)$/.exec(line)?.[1])
    .filter((symbol): symbol is string => symbol !== undefined)
    .filter((symbol) => !own.test(symbol) && !mangled.test(symbol));
}

const runs = (command: string): boolean => {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

describe('weak symbols', function () {
  before(function () {
    if (process.arch !== 'x64') skipGroup(this, 'an x64 machine: others build one instruction set');
    if (!runs('nm')) skipGroup(this, 'nm (apt-get install -y binutils)');
    if (objectsOf('avx2').length === 0)
      skipGroup(this, 'a build folder with its objects (npx striate build)');
  });

  for (const instructionSet of instructionSets)
    it(`of ${instructionSet} stay in its namespace`, () => {
      const objects = objectsOf(instructionSet);
      expect(objects).to.not.deep.equal([]);
      const stray = objects.flatMap((object) =>
        strayWeakSymbols(object, instructionSet).map((symbol) => `${object}: ${symbol}`),
      );
      expect(stray).to.deep.equal([]);
    });

  it('are found where one is planted', function () {
    const compiler = process.env.CXX ?? 'c++';
    if (!runs(compiler)) skipGroup(this, 'a C++ compiler (apt-get install -y g++)');
    const folder = mkdtempSync(join(tmpdir(), 'striate-symbols-'));
    try {
      const source = join(folder, 'planted.cpp');
      const object = join(folder, 'planted.o');
      writeFileSync(
        source,
        `namespace shared { template <class T> __attribute__((noinline)) T twice(T x) { return x + x; } }
         namespace striate::cpu::avx2 {
         template <class T> __attribute__((noinline)) T kernel(T x) { return shared::twice(x); }
         template float kernel<float>(float);
         }`,
      );
      execFileSync(compiler, ['-std=c++17', '-O1', '-c', source, '-o', object]);
      expect(strayWeakSymbols(object, 'avx2')).to.deep.equal(['float shared::twice<float>(float)']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
