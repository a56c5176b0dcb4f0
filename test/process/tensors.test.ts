import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { LiveTensor } from '../../lib/index.js';
import { packageRoot } from '../../scripts/paths.js';

const child = join(packageRoot, 'test', 'process', 'children', 'tensors.ts');
const command = ['--import', 'tsx', child];

describe('live tensors', function () {
  this.timeout(60_000);

  it('are listed with the stacks that made them, where they are traced', () => {
    const env = { ...process.env, STRIATE_TRACE_TENSORS: '1' };
    const out = execFileSync(process.execPath, command, { encoding: 'utf8', env });
    const live = JSON.parse(out) as LiveTensor[];
    expect(
      live.map(({ shape, bytes, dtype, device }) => ({ shape, bytes, dtype, device })),
    ).to.deep.equal([
      { shape: [2, 3], bytes: 24, dtype: 'float32', device: 'cpu' },
      { shape: [2, 3], bytes: 24, dtype: 'float32', device: 'cpu' },
    ]);
    expect(live[0]!.stack).to.contain('makeOne').and.contain('tensors.ts');
    expect(JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8' }))).to.deep.equal(
      [],
    );
  });

  it('are reported when the process ends, on request', () => {
    const env = { ...process.env, STRIATE_REPORT_LEAKS: '1' };
    const run = (...args: string[]): string =>
      spawnSync(process.execPath, [...command, ...args], { encoding: 'utf8', env }).stderr;
    const leaky = run();
    expect(leaky).to.contain('1 tensors were never disposed of');
    expect(leaky).to.match(/float32 \[2, 3\], 24 bytes on cpu, made at\n.*makeOne/s);
    expect(run('clean')).to.contain('striate: no tensor leaked');
  });
});
