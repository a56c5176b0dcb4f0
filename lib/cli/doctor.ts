import type { Command } from 'commander';
import { cudaBuildError } from '../../scripts/build-cuda.js';
import { version } from '../../scripts/paths.js';
import { buildTools, findProgram, installTools, programVersion } from '../../scripts/tools.js';
import type { NativeCpu } from '../../typings/native.js';
import { findAddon } from '../runtime/addon.js';
import { cudaState, findCudaLibrary } from '../runtime/cuda.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { describeNvcc, findCublas, findDriver } from './cuda-tools.js';

/** One thing that was looked at. */
interface Check {
  name: string;
  /** `missing` stands in the way of the CPU device or of building it; `absent` does not. */
  status: 'ok' | 'missing' | 'absent';
  /** What was found, or why not. */
  found: string;
  remedy?: string;
}

interface Place {
  from: string;
  path: string | null;
  /** `usable`, or why not. */
  state: string;
}

interface Diagnosis {
  /** The CPU device can be used as things are. */
  ready: boolean;
  checks: Check[];
  binaries: Place[];
}

export function addDoctor(program: Command): void {
  addCommand(program, 'doctor', 'what is installed, what is missing and how to get it')
    .addHelpText('after', '\nExits with 1 when the CPU device cannot be used.')
    .action((options: CommonOptions) => {
      const diagnosis = diagnose();
      outputFor(options).result(diagnosis, print(diagnosis));
      if (!diagnosis.ready) process.exitCode = 1;
    });
}

export function diagnose(): Diagnosis {
  const { addon, path, from, refused } = findAddon();
  const binaries = refused.map((attempt): Place => ({
    from: attempt.from,
    path: attempt.path ?? null,
    state: attempt.reason,
  }));
  if (addon !== undefined) {
    binaries.push({ from: from ?? '', path: path ?? null, state: 'usable' });
  }
  return {
    ready: addon !== undefined,
    checks: [
      checkNode(),
      ...buildTools.map((tool) => checkTool(tool, addon !== undefined)),
      checkAddon(path),
      checkProcessor(addon?.describeCpu()),
      ...checkCuda(),
    ],
    binaries,
  };
}

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const found = `${process.version}, ${process.platform}-${process.arch}`;
  return major > 20 || (major === 20 && minor >= 19)
    ? { name: 'Node', status: 'ok', found }
    : { name: 'Node', status: 'missing', found, remedy: 'Striate needs Node 20.19 or later.' };
}

function checkTool(tool: (typeof buildTools)[number], built: boolean): Check {
  const path = findProgram(tool.names);
  if (path !== undefined) {
    const found = programVersion(path) ?? 'does not run';
    return { name: tool.name, status: 'ok', found: `${found} (${path})` };
  }
  return {
    name: tool.name,
    status: built ? 'absent' : 'missing',
    found: `no ${tool.names.join(' or ')} on the path`,
    remedy: installTools,
  };
}

function checkAddon(path: string | undefined): Check {
  const name = 'native addon';
  return path !== undefined
    ? { name, status: 'ok', found: path }
    : {
        name,
        status: 'missing',
        found: 'no usable binary in the places below',
        remedy: 'npx striate build',
      };
}

function checkProcessor(cpu: NativeCpu | undefined): Check {
  const name = 'instruction set';
  if (cpu === undefined) {
    return { name, status: 'absent', found: 'known once the native addon is built' };
  }
  const { best, instructionSets, model, cores } = cpu;
  return {
    name,
    status: 'ok',
    found: `${best} (of ${instructionSets.join(', ')}) on ${cores} cores of ${model}`,
  };
}

function checkCuda(): Check[] {
  const check = (name: string, found: string | undefined, not: string, remedy: string): Check =>
    found === undefined
      ? { name, status: 'absent', found: not, remedy }
      : { name, status: 'ok', found };
  const cuda = cudaState();
  return [
    check(
      'nvcc',
      describeNvcc(),
      'not on the path, in CUDA_PATH or in the usual folders',
      'Install the CUDA toolkit, or set CUDA_PATH.',
    ),
    check(
      'NVIDIA driver',
      findDriver(),
      'libcuda.so.1 was not found',
      'Install the driver of the GPU; without a GPU there is nothing to do.',
    ),
    check(
      'cuBLAS',
      findCublas(),
      'libcublasLt was not found',
      'It comes with the CUDA toolkit, and with the Python package nvidia-cublas.',
    ),
    check(
      'CUDA library',
      cuda.library,
      whyNoLibrary(),
      'npx striate build --cuda (needs nvcc, no GPU)',
    ),
    check('CUDA device', cuda.available ? cuda.reason : undefined, cuda.reason, cuda.remedy),
  ];
}

/** The first error of a build that failed, or where a library was looked for. */
function whyNoLibrary(): string {
  const error = cudaBuildError();
  if (error !== undefined) return `its build failed: ${error}`;
  const { refused } = findCudaLibrary(false);
  return refused.map(({ from, reason }) => `${from}: ${reason}`).join('; ');
}

function print({ ready, checks, binaries }: Diagnosis): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const sign = { ok: 'ok ', missing: '!! ', absent: '-  ' };
  return [
    `striate ${version}`,
    ...checks.flatMap(({ name, status, found, remedy }) => [
      `${sign[status]} ${name.padEnd(width)}  ${found}`,
      ...(remedy === undefined ? [] : [`${' '.repeat(width + 6)}${remedy}`]),
    ]),
    'binaries were looked for in',
    ...binaries.map(({ from, path, state }) => `    ${from}: ${path ?? '(no package)'}: ${state}`),
    ready ? 'The CPU device is ready.' : 'The CPU device cannot be used yet: see the lines with !!',
  ].join('\n');
}
