import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findCudaDriver } from '../runtime/cuda.js';
import { findNvcc } from '../../scripts/build-cuda.js';
import { programVersion } from '../../scripts/tools.js';

/** Folders of CUDA toolkits: CUDA_PATH, then those of the distribution, the newest first. */
function toolkits(): string[] {
  const usual = existsSync('/usr/local')
    ? readdirSync('/usr/local')
        .filter((name) => /^cuda(-|$)/.test(name))
        .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
        .map((name) => join('/usr/local', name))
    : [];
  return [...(process.env.CUDA_PATH ? [process.env.CUDA_PATH] : []), ...usual];
}

/** Version and path of nvcc. */
export function describeNvcc(): string | undefined {
  const path = findNvcc();
  if (path === undefined) return undefined;
  return `${programVersion(path, /release [\d.]+/) ?? 'does not run'} (${path})`;
}

/** The driver's library and the version of its kernel module. */
export function findDriver(): string | undefined {
  const library = findCudaDriver();
  if (library === undefined) return undefined;
  const version = '/proc/driver/nvidia/version';
  const text = existsSync(version) ? readFileSync(version, 'utf8') : '';
  return `${/Kernel Module.*?([\d.]{4,})/.exec(text)?.[1] ?? 'no kernel module is loaded'} (${library})`;
}

/** Path of the first libcublasLt in the loader's path and in the toolkits. */
export function findCublas(): string | undefined {
  const folders = [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((folder) => folder !== ''),
    ...toolkits().flatMap((toolkit) => [
      join(toolkit, 'lib64'),
      join(toolkit, 'targets', 'x86_64-linux', 'lib'),
    ]),
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
  ];
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    const library = readdirSync(folder).find((name) => /^libcublasLt\.so\.\d+$/.test(name));
    if (library !== undefined) return join(folder, library);
  }
  return undefined;
}
