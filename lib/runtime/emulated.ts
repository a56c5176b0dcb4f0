import { StriateError } from '../errors.js';
import { addon } from './addon.js';
import { findCudaLibrary } from './cuda.js';
import { native } from './errors.js';

/** What the launches of one kernel moved, as the emulated card counts it. */
export interface KernelCount {
  kernel: string;
  launches: number;
  /** Accesses of global memory by a warp as a whole. */
  warpAccesses: number;
  /** Sectors of 32 bytes, summed over warp accesses. */
  sectors: number;
  /** The same, had every warp access been perfectly coalesced. */
  perfectSectors: number;
  /** Sectors: distinct within a block, summed over blocks. */
  uniqueReads: number;
  uniqueWrites: number;
  /** Sectors: distinct within a launch, summed over launches. */
  readFootprint: number;
  writeFootprint: number;
  /** Bytes that threads asked for. */
  bytes: number;
  /** Extra passes of accesses to shared memory. */
  bankConflicts: number;
  barriers: number;
}

/**
 * A command for the emulated card and its answer; native/emulator/inspect.h lists the commands.
 *
 * @throws StriateError DEVICE_UNAVAILABLE when the emulated device was not built; INVALID_ARGUMENT for an
 * unknown command.
 */
export function askEmulator(command: string): string {
  const { path } = findCudaLibrary(true);
  if (path === undefined)
    throw new StriateError('DEVICE_UNAVAILABLE', 'the emulated CUDA device was not built', {
      remedy: 'In a clone, run `npm run build:emulator`.',
    });
  return native(() => addon().inspectPlugin(path, command));
}

/** Runs `work` and counts what its kernels move on `cuda:emulated`, by kernel. */
export async function countKernels(work: () => Promise<unknown>): Promise<KernelCount[]> {
  askEmulator('counting 1');
  try {
    await work();
  } finally {
    askEmulator('counting 0');
  }
  return JSON.parse(askEmulator('kernels')) as KernelCount[];
}
