/**
 * Builds the library of the emulated CUDA device (`cuda:emulated`) into build/Release: the CUDA sources
 * compiled as C++. For tests; CMake compiles what has changed.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { cudaSourceHash, packageAddon, packageRoot, version } from './paths.js';
import { findProgram } from './tools.js';

const release = dirname(packageAddon);
const objects = join(packageRoot, 'build', 'emulator');

function cmake(...args) {
  const { status } = spawnSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status === 0) return;
  process.stderr.write('striate: the emulated CUDA device does not build\n');
  process.exit(1);
}

const launcher = findProgram(['ccache']) ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : [];
cmake(
  ...['-S', packageRoot, '-B', objects, '-DSTRIATE_EMULATOR_LIBRARY=ON', ...launcher],
  `-DSTRIATE_CUDA_VERSION=${version}`,
  `-DSTRIATE_CUDA_SOURCE_HASH=${cudaSourceHash(true)}`,
);
const targets = ['--target', 'striate_cuda_emulated', 'striate_probe'];
cmake('--build', objects, '--parallel', String(availableParallelism()), ...targets);
mkdirSync(release, { recursive: true });
for (const file of ['striate_cuda_emulated.so', 'striate_probe']) {
  const temporary = join(release, `${file}.${process.pid}`);
  copyFileSync(join(objects, file), temporary);
  renameSync(temporary, join(release, file));
}
