/**
 * Compiles every CUDA source alone and reads what ptxas says of each kernel.
 *
 *   node scripts/cuda-report.js [--arch 80,90 | --arch ends] [--write]
 *
 * `ends` are the oldest and the newest architecture that the compiler knows; the default is all.
 * Fails when a source does not compile, or when a kernel spills registers or needs a stack frame.
 * `--write` puts the table into docs/cuda-kernels.md. Answers are kept in build/cuda-report, named by a
 * hash of the source, the headers and the compiler.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from './paths.js';

const run = promisify(execFile);

/**
 * Limits of a multiprocessor: threads, blocks, bytes of shared memory, and those that the system takes
 * from each block. All have 65,536 registers, given to a warp in units of 256. Source: CUDA C++
 * Programming Guide, technical specifications per compute capability.
 */
const architectures = {
  75: { threads: 1024, blocks: 16, shared: 64 * 1024, reserved: 0 },
  80: { threads: 2048, blocks: 32, shared: 164 * 1024, reserved: 1024 },
  86: { threads: 1536, blocks: 16, shared: 100 * 1024, reserved: 1024 },
  89: { threads: 1536, blocks: 24, shared: 100 * 1024, reserved: 1024 },
  90: { threads: 2048, blocks: 32, shared: 228 * 1024, reserved: 1024 },
  100: { threads: 2048, blocks: 32, shared: 228 * 1024, reserved: 1024 },
  120: { threads: 1536, blocks: 24, shared: 100 * 1024, reserved: 1024 },
};
const registersOfSm = 65536;
const registerUnit = 256;

/** Threads of every block: `kThreads` of cuda/kernel.h, which all kernels state as their bound. */
const threads = Number(
  /constexpr int kThreads = (\d+);/.exec(
    readFileSync(join(packageRoot, 'native/cuda/kernel.h'), 'utf8'),
  )[1],
);

/** Warps that fit into a multiprocessor, as a share of the most that it holds. */
export function occupancy(arch, registers, shared) {
  const limits = architectures[arch];
  const warps = threads / 32;
  const perWarp = Math.ceil((Math.max(registers, 1) * 32) / registerUnit) * registerUnit;
  const blocks = Math.min(
    limits.blocks,
    Math.floor(limits.threads / threads),
    Math.floor(Math.floor(registersOfSm / perWarp) / warps),
    Math.floor(limits.shared / (shared + limits.reserved || 1)),
  );
  return (blocks * threads) / limits.threads;
}

/** What `ptxas -v` printed, one entry a kernel and architecture. */
export function parsePtxas(text) {
  const found = [];
  const entry =
    /Compiling entry function '([^']+)' for 'sm_(\d+)a?'([\s\S]*?)(?=Compiling entry|$)/g;
  for (const [, symbol, arch, rest] of text.matchAll(entry)) {
    const number = (pattern) => Number(pattern.exec(rest)?.[1] ?? 0);
    found.push({
      symbol,
      arch: Number(arch),
      registers: number(/Used (\d+) registers/),
      shared: number(/(\d+) bytes smem/),
      stack: number(/(\d+) bytes stack frame/),
      spilled: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
    });
  }
  return found;
}

const filesOf = (folder, ending) =>
  readdirSync(join(packageRoot, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(path, ending);
    return entry.name.endsWith(ending) ? [path] : [];
  });

function compilerVersion(nvcc) {
  const text = execFileSync(nvcc, ['--version'], { encoding: 'utf8' });
  return /release [\d.]+, V([\d.]+)/.exec(text)?.[1] ?? text.trim();
}

/** Compiles one source for all architectures; the kernels of it. */
async function kernelsOf(source, { nvcc, archs, key, scratch }) {
  const hash = createHash('sha256')
    .update(key)
    .update(source)
    .update(readFileSync(join(packageRoot, source)));
  const folder = join(packageRoot, 'build', 'cuda-report');
  const kept = join(folder, `${basename(source)}-${hash.digest('hex').slice(0, 20)}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, 'utf8'));
  const targets = archs.flatMap((arch) => ['-gencode', `arch=compute_${arch},code=sm_${arch}`]);
  const output = join(scratch, `${basename(source)}.fatbin`);
  const { stdout, stderr } = await run(
    nvcc,
    [
      ...['-std=c++17', '-Inative', '-Inative/cuda', '--expt-relaxed-constexpr', '-Xptxas', '-v'],
      ...['-fatbin', ...targets, '-o', output, source],
    ],
    { cwd: packageRoot, maxBuffer: 2 ** 26 },
  );
  const kernels = parsePtxas(stdout + stderr);
  const names = demangle(kernels.map(({ symbol }) => symbol));
  const answer = kernels.map((kernel, i) => ({ ...kernel, source, name: names[i] }));
  mkdirSync(folder, { recursive: true });
  writeFileSync(kept, JSON.stringify(answer));
  return answer;
}

/** `avgPoolKernel<4, true, float>`: without namespaces and parameters. */
function demangle(symbols) {
  if (symbols.length === 0) return [];
  const text = execFileSync('c++filt', { input: symbols.join('\n'), encoding: 'utf8' });
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const plain = line
        .replaceAll('(anonymous namespace)::', '')
        .replaceAll(/striate::cuda::|striate::ops::|_GLOBAL__N__\w+::/g, '')
        .replaceAll(/\((?:int|bool)\)/g, '');
      const at = plain.indexOf('Kernel');
      let end = at + 'Kernel'.length;
      for (let depth = 0; plain[end] === '<' || depth > 0; ++end)
        depth += plain[end] === '<' ? 1 : plain[end] === '>' ? -1 : 0;
      return plain.slice(plain.lastIndexOf(' ', at) + 1, end);
    });
}

const percent = (share) => `${Math.round(share * 100)}%`;

/** One row a kernel: the most registers and the least occupancy of its instantiations. */
function rowsOf(kernels, archs) {
  const groups = new Map();
  for (const k of kernels) {
    const key = `${k.source} ${k.name.replace(/<.*/, '')}`;
    groups.set(key, [...(groups.get(key) ?? []), k]);
  }
  return [...groups.values()].map((group) => {
    const byArch = archs.map((arch) => group.filter((k) => k.arch === arch));
    const most = (list, value) => Math.max(0, ...list.map(value));
    return [
      basename(group[0].source),
      group[0].name.replace(/<.*/, ''),
      String(new Set(group.map((k) => k.symbol)).size),
      String(most(group, (k) => k.shared)),
      String(most(group, (k) => k.stack)),
      String(most(group, (k) => k.spilled)),
      ...byArch.map((list) => {
        const registers = most(list, (k) => k.registers);
        const least = Math.min(...list.map((k) => occupancy(k.arch, k.registers, k.shared)));
        return `${registers} (${percent(least)})`;
      }),
    ];
  });
}

function page(kernels, archs, version) {
  const header = ['source', 'kernel', 'variants', 'shared', 'stack', 'spilled'];
  const columns = [...header, ...archs.map((arch) => `sm_${arch}`)];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    '# The kernels, as compiled',
    '',
    `Written by \`npm run cuda:report\` with nvcc ${version}: what \`ptxas -v\` says of every kernel. A row is`,
    'a kernel; where it has variants (packet widths, element types, adding to its output or not), the row',
    `gives the worst of them. Blocks have ${threads} threads. Shared memory, stack frame and spilled registers`,
    'are in bytes; the last two must be 0. For each architecture: registers a thread and, in brackets, the',
    'theoretical occupancy, which is the share of the multiprocessor’s warps that can be resident.',
    '',
    line(columns),
    line(columns.map((_, i) => (i < 2 ? '---' : '--:'))),
    ...rowsOf(kernels, archs).map(line),
    '',
  ].join('\n');
}

/** Those asked for, of those that the compiler knows. */
function chosenArchitectures(argv, nvcc) {
  const listed = execFileSync(nvcc, ['--list-gpu-code'], { encoding: 'utf8' });
  const known = Object.keys(architectures).filter((arch) =>
    listed.split(/\s+/).includes(`sm_${arch}`),
  );
  const chosen = argv.includes('--arch') ? argv[argv.indexOf('--arch') + 1] : known.join();
  if (chosen === 'ends') return [...new Set([known.at(0), known.at(-1)])].map(Number);
  const unknown = chosen.split(',').filter((arch) => !known.includes(arch));
  if (unknown.length > 0)
    throw new Error(`this nvcc or report does not know sm_${unknown.join(', sm_')}`);
  return chosen.split(',').map(Number);
}

async function main(argv) {
  const nvcc = process.env.NVCC ?? 'nvcc';
  const archs = chosenArchitectures(argv, nvcc);
  const version = compilerVersion(nvcc);
  const headers = ['native/cuda', 'native/ops', 'native/runtime'].flatMap((f) => filesOf(f, '.h'));
  const key = createHash('sha256').update(`${version} ${archs.join()}`);
  for (const header of headers.sort())
    key.update(header).update(readFileSync(join(packageRoot, header)));
  const scratch = mkdtempSync(join(tmpdir(), 'striate-cuda-report-'));
  const context = { nvcc, archs, key: key.digest('hex'), scratch };
  const sources = [
    ...filesOf('native/cuda/kernels', '.cu'),
    ...filesOf('native/cuda/blas', '.cpp'),
  ];
  const rest = [...sources];
  const kernels = new Map();
  const failures = [];
  const work = async () => {
    for (let source = rest.shift(); source !== undefined; source = rest.shift()) {
      try {
        kernels.set(source, await kernelsOf(source, context));
        console.error(`${source}: ${kernels.get(source).length} kernels`);
      } catch (error) {
        failures.push(`${source} does not compile:\n${error.stderr ?? error.stack}`);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  rmSync(scratch, { recursive: true, force: true });
  const all = sources.flatMap((source) => kernels.get(source) ?? []);
  for (const { source, name, arch, stack, spilled } of all)
    if (stack > 0 || spilled > 0)
      failures.push(
        `${source}: ${name} on sm_${arch}: ${stack} bytes of stack, ${spilled} spilled`,
      );
  if (argv.includes('--write')) {
    const target = join(packageRoot, 'docs', 'cuda-kernels.md');
    const prettier = await import('prettier');
    const text = page(all, archs, version);
    writeFileSync(target, await prettier.format(text, { parser: 'markdown' }));
    console.log(`wrote ${relative(packageRoot, target)}`);
  }
  for (const failure of failures) console.error(failure);
  console.log(`${all.length} kernels for sm_${archs.join(', sm_')}: ${failures.length} failures`);
  return failures.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) process.exitCode = await main(process.argv.slice(2));
