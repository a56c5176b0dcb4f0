import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';

/** What a new op consists of, each made from the same file of `relu`. */
const files = [
  'native/ops/<op>.h',
  'native/cpu/<op>.cpp',
  'native/cuda/kernels/<op>.cu',
  'lib/layers/<op>.ts',
  'test/ops/<op>.ts',
];
const lines = [
  { file: 'native/ops/ops.def', line: 'STRIATE_OPS(scratch, Scratch)' },
  { file: 'lib/layers/index.ts', line: "export { scratch } from './scratch.js';" },
];
const copied = [
  'CMakeLists.txt',
  'package.json',
  'tsconfig.json',
  'lib',
  'native',
  'scripts',
  'test',
  'typings',
];

describe('full: a new op', () => {
  let folder: string;
  const run = (...args: string[]): { status: number | null; output: string } => {
    const { STRIATE_ADDON, ...env } = process.env;
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: folder,
      encoding: 'utf8',
      env,
    });
    return { status, output: stdout + stderr };
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'striate-scratch-'));
    for (const name of copied) {
      cpSync(join(packageRoot, name), join(folder, name), { recursive: true });
    }
    symlinkSync(join(packageRoot, 'node_modules'), join(folder, 'node_modules'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is seven files: five new ones and two lines', () => {
    for (const pattern of files) {
      const source = join(folder, pattern.replace('<op>', 'relu'));
      // A device without kernels of its own yet has nothing to add to.
      if (!existsSync(source)) continue;
      const text = readFileSync(source, 'utf8')
        .replaceAll('relu', 'scratch')
        .replaceAll('Relu', 'Scratch');
      writeFileSync(join(folder, pattern.replace('<op>', 'scratch')), text);
    }
    for (const { file, line } of lines) {
      const path = join(folder, file);
      writeFileSync(path, `${readFileSync(path, 'utf8').trimEnd()}\n${line}\n`);
    }
    expect(files.length + lines.length).to.equal(7);
  });

  it('builds', () => {
    const { status, output } = run('scripts/install.js');
    expect(status, output).to.equal(0);
  });

  it('type-checks', () => {
    const { status, output } = run('node_modules/typescript/bin/tsc', '-p', '.', '--noEmit');
    expect(status, output).to.equal(0);
  });

  it('is tested by the tests of all ops, which pass', () => {
    const { status, output } = run(
      'node_modules/mocha/bin/mocha.js',
      ...['--import=tsx', '--reporter=json', '--timeout=600000', '--grep=scratch'],
      ...['test/ops.test.ts', 'test/gradcheck.test.ts', 'test/contract.test.ts'],
    );
    expect(status, output).to.equal(0);
    const { stats } = JSON.parse(output.slice(output.indexOf('{'))) as {
      stats: { passes: number; failures: number };
    };
    expect(stats.failures).to.equal(0);
    // At least the count of cases and one run for each element type, for the op and its gradient.
    expect(stats.passes).to.be.at.least(6);
  });

  it('fails without its cases', () => {
    rmSync(join(folder, 'test/ops/scratch.ts'));
    const { status, output } = run(
      'node_modules/mocha/bin/mocha.js',
      ...['--import=tsx', '--timeout=600000', '--grep=scratch', 'test/ops.test.ts'],
    );
    expect(status, output).to.not.equal(0);
  });
});
