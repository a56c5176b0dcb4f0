import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  cacheFolder,
  cudaCandidates,
  cudaSourceHash,
  probeBeside,
  version,
} from '../../scripts/paths.js';
import { addon, findAddon } from './addon.js';
import { native } from './errors.js';

/** Whether there is a CUDA device; if not, why, and what to do about it. */
export interface CudaState {
  available: boolean;
  /** How many there are, and what they are; or why there is none. */
  reason: string;
  remedy: string;
  /** Path of the library, where a usable one was found. */
  library: string | undefined;
  devices: number;
}

/** Where a CUDA library was looked for. */
export interface CudaSearch {
  path: string | undefined;
  refused: { from: string; path: string | undefined; reason: string }[];
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

/** The library of the CUDA device, or of the emulated card, that fits this package and addon. */
export function findCudaLibrary(emulated: boolean): CudaSearch {
  const refused: CudaSearch['refused'] = [];
  for (const { from, path } of cudaCandidates(emulated)) {
    const reason = path === undefined ? 'not installed' : whyUnusable(from, path, emulated);
    if (reason === undefined) return { path, refused };
    refused.push({ from, path, reason });
  }
  return { path: undefined, refused };
}

function whyUnusable(from: string, path: string, emulated: boolean): string | undefined {
  if (!existsSync(path)) return 'no such file';
  if (findAddon().addon === undefined) return 'cannot be opened without the native addon';
  const byHand = from.startsWith('STRIATE_');
  try {
    const library = native(() => addon().describePlugin(path));
    // A build by plain CMake does not know what it was made from; who names it by hand knows.
    if (byHand && library.version === '' && library.sourceHash === '') return undefined;
    if (library.version !== version)
      return `is of version ${library.version || 'unknown'}, the package of ${version}`;
    const hash = cudaSourceHash(emulated);
    // Named by hand, the emulated card may stand for a real one.
    const stands = byHand && library.sourceHash === cudaSourceHash(true);
    return library.sourceHash === hash || stands
      ? undefined
      : `was built from other sources: ${library.sourceHash || 'unknown'}, not ${hash}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const useCpu = "Use device 'cpu' or 'auto'.";

/** Whether the CUDA device works here, asked of the driver once for each version of it. */
export function cudaState(): CudaState {
  const driver = findCudaDriver();
  const { path: library, refused } = findCudaLibrary(false);
  const none = (reason: string, remedy: string): CudaState => ({
    available: false,
    reason,
    remedy,
    library,
    devices: 0,
  });
  const built = library === undefined ? whyNotBuilt(refused) : `the CUDA library is ${library}`;
  if (driver === undefined && !process.env.STRIATE_CUDA)
    return none(
      `no NVIDIA driver was found (libcuda.so.1); ${built}`,
      `Install the driver of the GPU; without a GPU there is nothing to do. ${useCpu}`,
    );
  if (library === undefined)
    return none(
      `an NVIDIA driver was found (${driver ?? 'none'}), but ${built}`,
      `Run \`npx striate build --cuda\`, or: ${useCpu}`,
    );
  const { devices, details, failure } = probe(library, driver);
  if (devices === 0)
    return none(`${failure || 'the driver knows no CUDA device'} (${library})`, useCpu);
  const reason = devices === 1 ? details : `${devices} devices, the first: ${details}`;
  return { available: true, reason, remedy: '', library, devices };
}

function whyNotBuilt(refused: CudaSearch['refused']): string {
  const misfits = refused.filter(({ reason }) => !/^(no such file|not installed)$/.test(reason));
  if (misfits.length === 0) return 'no CUDA library was built';
  return misfits.map(({ path, reason }) => `the CUDA library ${path} ${reason}`).join('; ');
}

interface ProbeAnswer {
  devices: number;
  details: string;
  failure: string;
}

/** Asks the program beside the library; what works is remembered for this driver and library. */
function probe(library: string, driver: string | undefined): ProbeAnswer {
  const key = [
    library,
    statSync(library).mtimeMs,
    driver === undefined ? '' : driverVersion(driver),
    process.env.CUDA_VISIBLE_DEVICES ?? '',
    process.env.STRIATE_CUBLASLT ?? '',
  ].join('\n');
  const file = join(cacheFolder(), 'cuda-probe.json');
  const known = readAnswer(file, key);
  if (known !== undefined) return known;
  const answer = askProbe(library);
  if (answer.devices > 0) keepAnswer(file, key, answer);
  return answer;
}

function driverVersion(driver: string): string {
  try {
    return readFileSync('/proc/driver/nvidia/version', 'utf8');
  } catch {
    return `${driver} ${statSync(driver).mtimeMs}`;
  }
}

function askProbe(library: string): ProbeAnswer {
  const program = probeBeside(library);
  const failed = (failure: string): ProbeAnswer => ({ devices: 0, details: '', failure });
  if (!existsSync(program)) return failed(`${program} is missing: build the library again`);
  try {
    const output = execFileSync(program, [library], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(output) as ProbeAnswer;
  } catch (error) {
    return failed(`${program} failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readAnswer(file: string, key: string): ProbeAnswer | undefined {
  try {
    const saved = JSON.parse(readFileSync(file, 'utf8')) as { key: string; answer: ProbeAnswer };
    return saved.key === key ? saved.answer : undefined;
  } catch {
    return undefined;
  }
}

function keepAnswer(file: string, key: string, answer: ProbeAnswer): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ key, answer }));
  } catch {
    // A cache that cannot be written is asked again next time.
  }
}
