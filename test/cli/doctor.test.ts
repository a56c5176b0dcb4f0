import { expect } from 'chai';
import { join } from 'node:path';
import { temporaryFolder } from '../support/digits.js';
import { jsonLine, striate } from '../support/striate.js';

interface Report {
  ready: boolean;
  checks: { name: string; status: string; found: string; remedy?: string }[];
  binaries: { from: string; path: string | null; state: string }[];
}

const names = [
  'Node',
  'C++ compiler',
  'make',
  'CMake',
  'native addon',
  'instruction set',
  'nvcc',
  'NVIDIA driver',
  'cuBLAS',
  'CUDA library',
  'CUDA device',
];

describe('cli: doctor, devices', () => {
  const folder = temporaryFolder();

  it('finds everything where the addon is built', async () => {
    const ended = await striate(['doctor', '--json']);
    const report = jsonLine(ended) as unknown as Report;
    expect(ended.code, ended.stderr).to.equal(0);
    expect(report.ready).to.equal(true);
    expect(report.checks.map(({ name }) => name)).to.deep.equal(names);
    expect(report.checks.find(({ name }) => name === 'instruction set')?.status).to.equal('ok');
    expect(report.binaries.at(-1)?.state).to.equal('usable');
  });

  it('names every place, and what is missing with its remedy', async () => {
    const env = { ...process.env, PATH: folder(), STRIATE_ADDON: join(folder(), 'none.node') };
    const ended = await striate(['doctor', '--json'], { env });
    const report = jsonLine(ended) as unknown as Report;
    expect(ended.code).to.equal(1);
    expect(report.ready).to.equal(false);
    expect(report.binaries).to.deep.equal([
      { from: 'STRIATE_ADDON', path: env.STRIATE_ADDON, state: 'no such file' },
    ]);
    const missing = report.checks.filter(({ status }) => status === 'missing');
    expect(missing.map(({ name }) => name)).to.deep.equal([
      'C++ compiler',
      'make',
      'CMake',
      'native addon',
    ]);
    for (const { name, remedy } of missing) expect(remedy, name).to.be.a('string');
  });

  it('prints a line for each check', async () => {
    const { stdout } = await striate(['doctor']);
    for (const name of names) expect(stdout).to.include(name);
  });

  it('devices lists the CPU, and says why there is no CUDA device', async () => {
    const report = jsonLine(await striate(['devices', '--json']));
    const [cpu, cuda] = report.devices as {
      name: string;
      available: boolean;
      description: string;
    }[];
    expect(cpu).to.include({ name: 'cpu', available: true });
    expect(cuda).to.include({ name: 'cuda' });
    expect(cuda?.description).to.be.a('string').that.is.not.empty;
  });

  it('without the addon a command fails in one line of JSON', async () => {
    const env = { ...process.env, STRIATE_ADDON: join(folder(), 'none.node') };
    const ended = await striate(['devices', '--json'], { env });
    expect(ended.code).to.equal(1);
    const error = jsonLine(ended).error as { code: string; remedy: string };
    expect(error.code).to.equal('NATIVE_ADDON_MISSING');
    expect(error.remedy).to.include('striate build');
  });
});
