import { expect } from 'chai';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildCuda, cudaBuildError } from '../../scripts/build-cuda.js';
import { BuildError } from '../../scripts/build.js';
import { temporaryFolder } from '../support/digits.js';

describe('the build of the CUDA library', () => {
  const folder = temporaryFolder();
  const variables = ['CUDA_PATH', 'CUDA_HOME', 'PATH'] as const;
  const kept = Object.fromEntries(variables.map((name) => [name, process.env[name]]));
  afterEach(() => {
    for (const name of variables)
      if (kept[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = kept[name];
  });

  /** A toolkit whose nvcc does what `script` says. */
  function plantNvcc(script: string): void {
    const bin = join(folder(), 'toolkit', 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'nvcc'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, 'nvcc'), 0o755);
    process.env.CUDA_PATH = join(folder(), 'toolkit');
  }

  async function failureOf(options: { arch?: string }): Promise<BuildError> {
    try {
      await buildCuda({ ...options, root: join(folder(), 'work'), log: () => undefined });
    } catch (error) {
      if (error instanceof BuildError) return error;
      throw error;
    }
    throw new Error('the build succeeded');
  }

  it('that fails says the first error, and keeps it for doctor', async () => {
    plantNvcc('echo "kernels/x.cu(7): error: planted by the test" >&2; exit 2');
    const error = await failureOf({ arch: '80' });
    expect(error.code).to.equal('BUILD_FAILED');
    expect(error.message).to.match(/does not build: .*error: planted by the test/);
    expect(error.remedy).to.match(/^Read .*cuda-build\.log/);
    expect(cudaBuildError(join(folder(), 'work'))).to.include('planted by the test');
  });

  it('refuses an architecture that is none', async () => {
    plantNvcc('exit 0');
    expect((await failureOf({ arch: '80,hopper' })).message).to.match(/'hopper'/);
  });
});
