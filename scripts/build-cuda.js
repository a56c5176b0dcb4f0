/**
 * Builds the library of the CUDA device with nvcc: every source alone, in parallel, objects kept until
 * their sources, headers or flags change. Needs a CUDA toolkit (11.8 to 13), no driver and no GPU.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import {
  BuildError,
  buildTarget,
  firstError,
  locked,
  logToStandardError,
  progressReporter,
  putInPlace,
  run,
} from './build.js';
import { cudaSourceHash, packageRoot, version } from './paths.js';
import { findProgram, programVersion } from './tools.js';

const native = join(packageRoot, 'native');

/** Path of nvcc: of CUDA_PATH, on the path, or of a toolkit in the usual place, the newest first. */
export function findNvcc() {
  const usual = existsSync('/usr/local')
    ? readdirSync('/usr/local')
        .filter((name) => /^cuda(-|$)/.test(name))
        .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
        .map((name) => join('/usr/local', name))
    : [];
  const toolkits = [process.env.CUDA_PATH, process.env.CUDA_HOME].filter(Boolean);
  return findProgram(
    ['nvcc'],
    [
      ...toolkits.map((root) => join(root, 'bin')),
      ...(process.env.PATH ?? '').split(delimiter),
      ...usual.map((root) => join(root, 'bin')),
    ],
  );
}

/** Compute capabilities of the GPUs that are present, as '80'. */
function presentArchitectures() {
  const smi = findProgram(['nvidia-smi']);
  if (smi === undefined) return [];
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000 };
    const output = execFileSync(smi, ['--query-gpu=compute_cap', '--format=csv,noheader'], options);
    const found = output.split('\n').map((line) => /^(\d+)\.(\d)/.exec(line.trim()));
    return [...new Set(found.filter(Boolean).map(([, major, minor]) => major + minor))];
  } catch {
    return [];
  }
}

/** The list of `--arch`, the GPUs that are present, or the oldest of today's common ones. */
function architectures(asked) {
  const list = asked === undefined ? presentArchitectures() : asked.split(',');
  const chosen = list.length === 0 ? ['80'] : list.map((arch) => arch.trim().replace('.', ''));
  const wrong = chosen.find((arch) => !/^\d{2,3}[af]?$/.test(arch));
  if (wrong !== undefined)
    throw new BuildError(`--arch: '${wrong}' is no architecture`, 'Give numbers: --arch 80,90');
  return chosen.sort((a, b) => parseInt(a, 10) - parseInt(b, 10));
}

/** Machine code for each, and of the newest also PTX, which later GPUs compile for themselves. */
const codeFlags = (archs) => [
  ...archs.map((arch) => `-gencode=arch=compute_${arch},code=sm_${arch}`),
  `-gencode=arch=compute_${archs.at(-1)},code=compute_${archs.at(-1)}`,
];

function sources() {
  const inside = (folder, extension) =>
    readdirSync(join(native, 'cuda', folder))
      .filter((name) => name.endsWith(extension))
      .map((name) => join(native, 'cuda', folder, name));
  // The long ones first: the last to end decides when the build ends.
  return [...inside('kernels', '.cu'), ...inside('device', '.cpp'), ...inside('blas', '.cpp')];
}

/** The header that includes every family of ops.def. */
function writeAllOps(folder) {
  const list = readFileSync(join(native, 'ops', 'ops.def'), 'utf8');
  const names = [...list.matchAll(/^STRIATE_OPS\((\w+)/gm)].map(([, name]) => name);
  const text = ['// Generated from ops.def.', '#pragma once'];
  text.push(...names.map((name) => `#include "ops/${name}.h"`), '');
  const file = join(folder, 'ops', 'all.h');
  mkdirSync(dirname(file), { recursive: true });
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text.join('\n'))
    writeFileSync(file, text.join('\n'));
}

/** A hash of what an object was made of: flags, and the contents of the files that nvcc read. */
function fingerprint(flags, dependencies) {
  const hash = createHash('sha256').update(flags.join('\0'));
  for (const path of dependencies) hash.update(`\0${path}\0`).update(readFileSync(path));
  return hash.digest('hex');
}

/** Files of the package that a source includes, by the rule that nvcc wrote beside the object. */
function dependenciesOf(object, generated) {
  return readFileSync(`${object}.d`, 'utf8')
    .replace(/^[^:]*:/, '')
    .split(/[\s\\]+/)
    .filter((path) => path !== '')
    .map((path) => resolve(path))
    .filter((path) => path.startsWith(native) || path.startsWith(generated));
}

function isCurrentObject(object, flags, generated) {
  try {
    return (
      readFileSync(`${object}.key`, 'utf8') ===
      fingerprint(flags, dependenciesOf(object, generated))
    );
  } catch {
    return false;
  }
}

function buildSteps({ nvcc, archs, folder, logFile }) {
  const generated = join(folder, 'generated');
  const common = [
    ...['-std=c++17', '-O3', '-DNDEBUG', '--expt-relaxed-constexpr', '-cudart', 'static'],
    ...['-I', native, '-I', generated, '-Xcompiler', '-fPIC,-fvisibility=hidden'],
  ];
  const identity = [
    `-DSTRIATE_VERSION="${version}"`,
    `-DSTRIATE_SOURCE_HASH="${cudaSourceHash()}"`,
  ];
  const compiler = programVersion(nvcc, /release.*/) ?? '';
  const objects = sources().map((source) => {
    const object = join(folder, `${basename(dirname(source))}-${basename(source)}.o`);
    const flags = [
      ...common,
      ...(source.endsWith('.cu') ? codeFlags(archs) : []),
      ...(basename(source) === 'plugin.cpp' ? identity : []),
    ];
    const key = [compiler, ...flags];
    const compile = async () => {
      rmSync(`${object}.key`, { force: true });
      const args = [...flags, '-MD', '-MF', `${object}.d`, '-c', source, '-o', object];
      const code = await run(nvcc, args, logFile, () => undefined);
      if (code !== 0) return code;
      writeFileSync(`${object}.key`, fingerprint(key, dependenciesOf(object, generated)));
      return 0;
    };
    return { object, compile, current: () => isCurrentObject(object, key, generated) };
  });
  const library = join(folder, 'striate_cuda.so');
  const program = join(folder, 'striate_probe');
  const link = () => {
    // The CUDA runtime inside shows nothing of itself to others in the process.
    const linker = ['-Xlinker', '--exclude-libs,ALL', '-Xlinker', '-z,defs'];
    const args = ['-shared', '-cudart', 'static', ...linker, '-o', library];
    return run(
      nvcc,
      [...args, ...objects.map(({ object }) => object), '-ldl'],
      logFile,
      () => undefined,
    );
  };
  const linkProbe = () => {
    const source = join(native, 'probe', 'probe.cpp');
    return run(nvcc, [...common, source, '-o', program, '-ldl'], logFile, () => undefined);
  };
  return { generated, objects, library, program, link, linkProbe };
}

/** Runs the tasks, a few at a time; stops at the first that fails. */
async function inParallel(tasks, onDone) {
  let next = 0;
  let failed = 0;
  const worker = async () => {
    while (failed === 0 && next < tasks.length) {
      const code = await tasks[next++]();
      if (code !== 0) failed ||= code;
      else onDone();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return failed;
}

/** What the probe says of a library; a library that does not load is a failed build. */
function inspect(program, library) {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 };
  return JSON.parse(execFileSync(program, [library], options));
}

/**
 * @param {{ arch?: string, force?: boolean, log?: (line: string) => void, root?: string }} options
 *   `arch`: `'80,90'`; `root`: the folder of objects and log.
 * @returns {Promise<{ path: string, built: boolean, seconds: number, architectures: string[] }>}
 * @throws {BuildError} code `BUILD_FAILED`, with a remedy.
 */
export async function buildCuda({
  arch,
  force = false,
  log = logToStandardError,
  root = usualRoot(),
} = {}) {
  const start = performance.now();
  const nvcc = findNvcc();
  if (nvcc === undefined)
    throw new BuildError(
      'missing to build the CUDA library: nvcc (looked in CUDA_PATH, on the path, in /usr/local/cuda)',
      'Install the CUDA toolkit, or set CUDA_PATH, then run: npx striate build --cuda',
    );
  const archs = architectures(arch);
  const target =
    root === usualRoot()
      ? join(dirname(buildTarget()), 'striate_cuda.so')
      : join(root, 'striate_cuda.so');
  return locked(join(root, 'cuda.lock'), log, async () => {
    const folder = join(root, 'cuda');
    const logFile = cudaLog(root);
    mkdirSync(folder, { recursive: true });
    if (force) rmSync(folder, { recursive: true });
    mkdirSync(folder, { recursive: true });
    rmSync(logFile, { force: true });
    writeFileSync(logFile, '');
    const steps = buildSteps({ nvcc, archs, folder, logFile });
    writeAllOps(steps.generated);

    const fail = (what) => {
      const error = firstError(logFile);
      throw new BuildError(
        `the CUDA library does not build: ${error ?? what}`,
        `Read ${logFile}`,
        logFile,
      );
    };
    const stale = steps.objects.filter(({ current }) => !current());
    if (stale.length > 0)
      log(`compiling the CUDA library for sm_${archs.join(', sm_')} with ${nvcc}`);
    const progress = progressReporter(log);
    let done = 0;
    const advance = () => progress(`[${(done += 1)}/${stale.length}]`);
    if (
      (await inParallel(
        stale.map(({ compile }) => compile),
        advance,
      )) !== 0
    )
      fail('nvcc failed');
    if ((await steps.link()) !== 0 || (await steps.linkProbe()) !== 0) fail('the linker failed');
    let answer;
    try {
      answer = inspect(steps.program, steps.library);
    } catch (error) {
      fail(`its probe does not run: ${error.message}`);
    }
    putInPlace(steps.library, target);
    putInPlace(steps.program, join(dirname(target), 'striate_probe'));
    rmSync(logFile, { force: true });
    const seconds = (performance.now() - start) / 1000;
    log(`built ${target} in ${seconds.toFixed(0)} s`);
    if (answer.devices === 0) log(`there is no CUDA device on this machine: ${answer.failure}`);
    return { path: target, built: stale.length > 0, seconds, architectures: archs };
  });
}

/** The folder that the addon is built in: of the package, or of the user's cache. */
const usualRoot = () => join(dirname(buildTarget()), '..');

/** The log of a CUDA build that failed; there is none after one that did not. */
const cudaLog = (root) => join(root, 'cuda-build.log');

/** The first error of the latest CUDA build, where that failed. */
export function cudaBuildError(root = usualRoot()) {
  const log = cudaLog(root);
  return existsSync(log) ? (firstError(log) ?? `see ${log}`) : undefined;
}
