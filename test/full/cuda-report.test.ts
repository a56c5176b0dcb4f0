// Every CUDA source compiles for every architecture, without spills or stack frames.
import { expect } from 'chai';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';
import { findProgram } from '../../scripts/tools.js';
import { output } from '../support/compile.js';
import { skipGroup } from '../support/skip.js';

it('the CUDA sources compile for all architectures, without spills or stack frames', async function () {
  this.timeout(1_800_000);
  if (findProgram(['nvcc']) === undefined) skipGroup(this, 'package nvidia-cuda-toolkit (nvcc)');
  const script = join(packageRoot, 'scripts', 'cuda-report.js');
  const { code, stdout, stderr } = await output(process.execPath, [script]);
  expect(code, stdout + stderr).to.equal(0);
});
