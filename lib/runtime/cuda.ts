import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Why there is no CUDA device, and what to do about it. */
export interface CudaState {
  reason: string;
  remedy: string;
}

const driverFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/lib/wsl/lib',
  '/usr/local/cuda/compat',
];

/** Where NVIDIA's driver library lies; undefined when there is no driver. */
export function findCudaDriver(): string | undefined {
  const folders = [...(process.env.LD_LIBRARY_PATH ?? '').split(':'), ...driverFolders];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'libcuda.so.1'))
    .find((path) => existsSync(path));
}

/** What is missing for a CUDA device. This version of the package holds no CUDA library. */
export function cudaState(): CudaState {
  const driver = findCudaDriver();
  const library = 'this version of striate has no CUDA library';
  const remedy = "Use device 'cpu' or 'auto'.";
  return driver === undefined
    ? { reason: `no NVIDIA driver was found (libcuda.so.1), and ${library}`, remedy }
    : { reason: `an NVIDIA driver was found (${driver}), but ${library}`, remedy };
}
