// Rules for the CUDA sources that no compiler checks.
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';
import { parsePtxas, occupancy } from '../../scripts/cuda-report.js';

const folder = join(packageRoot, 'native', 'cuda');
const kernelFiles = readdirSync(join(folder, 'kernels')).filter((file) => file.endsWith('.cu'));
const sources = [
  ...kernelFiles.map((file) => join('kernels', file)),
  ...readdirSync(folder).filter((file) => file.endsWith('.h')),
].map((file) => ({ file, text: withoutComments(readFileSync(join(folder, file), 'utf8')) }));

function withoutComments(text: string): string {
  return text.replace(/\/\/[^\n]*/g, '').replace(/\/\*[\s\S]*?\*\//g, '');
}

/** The functions of a source that run on the device: head and body. */
function deviceFunctions(text: string): string[] {
  return [...text.matchAll(/__(?:global|device)__/g)].flatMap(({ index }) => {
    const open = text.indexOf('{', index);
    const end = text.indexOf(';', index);
    if (open < 0 || (end >= 0 && end < open)) return [];
    let depth = 0;
    for (let at = open; at < text.length; ++at) {
      if (text[at] === '{') ++depth;
      if (text[at] === '}' && --depth === 0) return [text.slice(index, at + 1)];
    }
    return [];
  });
}

/** Uses of a pointer's target that go around `load` and `store`. */
function rawAccesses(source: string): string[] {
  // Declarations write `float* x`, products `a * b`.
  const declared =
    /\b(?:\w+(?:::\w+)*|\w+<[^<>;]*>)\*\s+(?:const\s+)?(?:__restrict__\s+)?(\w+)\s*(?=[,)=;])/g;
  const pointers = [...source.matchAll(declared)].map((match) => match[1]!);
  return [...new Set(pointers)].flatMap((name) => {
    const uses = [`\\b${name}\\s*\\[`, `(?<![\\w>])\\*${name}\\b`, `(?<!&)\\b${name}\\s*->`];
    return uses.flatMap((use) => [...source.matchAll(new RegExp(use, 'g'))].map(([text]) => text));
  });
}

describe('CUDA sources', () => {
  it('every kernel states the bound that its launches use', () => {
    const wrong: string[] = [];
    for (const { file, text } of sources) {
      for (const [head] of text.matchAll(/__global__\s+void[\s\S]*?\(/g))
        if (!/^__global__\s+void\s+__launch_bounds__\($/.test(head)) wrong.push(`${file}: ${head}`);
      for (const [, bound] of text.matchAll(/__launch_bounds__\(([^)]*)\)/g))
        if (!/^kThreads(, k(Few)?Blocks)?$/.test(bound!))
          wrong.push(`${file}: a bound of ${bound!}`);
      for (const [, threads] of text.matchAll(/\blaunch<([^>]*)>\(/g))
        if (threads !== 'kThreads' && !file.endsWith('launch.h'))
          wrong.push(`${file}: launch<${threads!}>`);
      // The block of every geometry.
      for (const [, block] of text.matchAll(
        /\bGeometry g\{dim3\([\s\S]*?\),\s*dim3\(([^)]*)\),\s*0\}/g,
      ))
        if (block !== 'kThreads') wrong.push(`${file}: a block of ${block!}`);
    }
    expect(wrong).to.deep.equal([]);
    const kernels = sources.flatMap(({ text }) => [...text.matchAll(/__global__/g)]);
    expect(kernels.length).to.be.at.least(25);
  });

  it('kernels are started by launch alone', () => {
    const wrong = sources
      .filter(({ file }) => file !== 'launch.h')
      .flatMap(({ file, text }) =>
        [...text.matchAll(/<<<|cudaLaunchKernel/g)].map(([use]) => `${file}: ${use}`),
      );
    expect(wrong).to.deep.equal([]);
  });

  it('kernels reach memory by load and store alone', () => {
    const wrong = sources
      .filter(({ file }) => file.startsWith('kernels'))
      .flatMap(({ file, text }) =>
        deviceFunctions(text).flatMap((f) => rawAccesses(f).map((use) => `${file}: ${use}`)),
      );
    expect(wrong).to.deep.equal([]);
  });

  it('the search for raw accesses finds them', () => {
    const body = (use: string): string =>
      `__global__ void k(const float* x, float* const y, const Control* c) { ${use} }`;
    for (const use of ['y[0] = 1;', 'float v = *x;', 'store(y, *x);', 'if (c->commit) return;'])
      expect(deviceFunctions(body(use)).flatMap(rawAccesses), use).to.have.lengthOf(1);
    for (const use of [
      'store(y + 1, load(x + 2));',
      'const float* at = x + 3 * n;',
      'load(&c->commit);',
      'store(y, load(static_cast<const float*>(y)));',
    ])
      expect(deviceFunctions(body(use)).flatMap(rawAccesses), use).to.deep.equal([]);
  });

  it('there are no floating-point atomics and no fast mathematics', () => {
    const words =
      /atomicAdd\(\s*(?:[^,]*float|[^,]*double)|__fdividef|__expf|__logf|use_fast_math/g;
    const wrong = sources.flatMap(({ file, text }) =>
      [...text.matchAll(words)].map(([use]) => `${file}: ${use}`),
    );
    expect(wrong).to.deep.equal([]);
  });

  it('the report reads ptxas', () => {
    const text = [
      "ptxas info    : Compiling entry function '_Z4kern' for 'sm_90'",
      'ptxas info    : Function properties for _Z4kern',
      '    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads',
      'ptxas info    : Used 40 registers, used 1 barriers, 1024 bytes smem',
      "ptxas info    : Compiling entry function '_Z4none' for 'sm_80'",
      '    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads',
      'ptxas info    : Used 16 registers, 400 bytes cmem[0]',
    ].join('\n');
    expect(parsePtxas(text)).to.deep.equal([
      { symbol: '_Z4kern', arch: 90, registers: 40, shared: 1024, stack: 8, spilled: 16 },
      { symbol: '_Z4none', arch: 80, registers: 16, shared: 0, stack: 0, spilled: 0 },
    ]);
    // 65,536 registers: 40 a thread are 6 blocks of 256, 32 are 8, which is all that sm_90 holds.
    expect(occupancy(90, 40, 0)).to.equal(6 / 8);
    expect(occupancy(90, 32, 0)).to.equal(1);
    // 40 KB and the system's kilobyte fit into the 100 KB of sm_86 twice.
    expect(occupancy(86, 32, 40 * 1024)).to.equal(2 / 6);
  });
});
