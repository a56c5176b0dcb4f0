import { expect } from 'chai';
import { findCudaLibrary } from '../../lib/runtime/cuda.js';
import { skipGroup } from '../support/skip.js';
import { jsonLine, striate } from '../support/striate.js';

describe('cli: profile', () => {
  before(function () {
    if (findCudaLibrary(true).path === undefined)
      skipGroup(this, 'the emulated CUDA device (npm run build:emulator)');
  });

  it('prints the kernels of a step with launches, sectors and ratios', async function () {
    this.timeout(60_000);
    const { code, stdout, stderr } = await striate([
      ...['profile', 'lenet', '--device', 'cuda:emulated', '--kernels'],
    ]);
    expect(code, stderr).to.equal(0);
    expect(stdout)
      .to.match(/^kernel +launches +sectors +coalescing +reuse/m)
      .and.match(/^sgd +1 +[\d,]+ +1\.00 +1\.0\d/m)
      .and.match(/^total +\d+/m);
  });

  it('gives the same as JSON', async function () {
    this.timeout(60_000);
    const report = jsonLine(
      await striate(['profile', 'lenet', '--kernels', '--batch', '3', '--json']),
    ) as { model: string; batch: number; kernels: { kernel: string; launches: number }[] };
    expect(report).to.include({ model: 'lenet', batch: 3 });
    expect(report.kernels.find(({ kernel }) => kernel === 'im2col')?.launches).to.be.at.least(2);
  });

  it('names what it cannot measure', async () => {
    const silent = await striate(['profile', 'lenet']);
    expect(silent.code).to.equal(2);
    expect(silent.stderr).to.contain('--kernels');
    const cpu = await striate(['profile', 'lenet', '--kernels', '--device', 'cpu']);
    expect(cpu.code).to.equal(2);
    expect(cpu.stderr).to.contain('cuda:emulated');
  });
});
