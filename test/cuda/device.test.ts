import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addon } from '../../lib/runtime/addon.js';
import { device, devices } from '../../lib/runtime/device.js';
import { probeBeside } from '../../scripts/paths.js';
import { temporaryFolder } from '../support/digits.js';
import { codeOf, errorOf } from '../support/errors.js';
import { thrown } from '../support/thrown.js';
import { native } from '../../lib/runtime/errors.js';
import { Card, emulatedLibrary } from './emulated.js';

describe('the emulated CUDA device', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  let library: string;
  let card: Card;

  before(function () {
    library = emulatedLibrary(this);
    card = new Card(library);
  });

  it('opens, says what it is, and leaves nothing behind', async () => {
    const before = card.counts();
    {
      await using d = await device('cuda:emulated');
      expect(d.name).to.equal('cuda:emulated');
      expect(d.target).to.equal('cuda');
      expect(d.instructionSet).to.match(/^sm_\d+$/);
      await d.tensor(new Float32Array(1000), [1000]);
      const memory = d.memory();
      expect(memory.categories.tensors).to.deep.equal({ bytes: 4000, blocks: 1 });
      expect(memory.total).to.be.a('number');
      expect(memory.total! - memory.free!).to.equal(card.counts().bytes);
    }
    const after = card.counts();
    expect([after.blocks, after.pinnedBlocks]).to.deep.equal([before.blocks, before.pinnedBlocks]);
  });

  it('runs eager ops', async () => {
    await using d = await device('cuda:emulated');
    await using cpu = await device('cpu');
    const data = Float32Array.from({ length: 2 * 8 * 8 * 3 }, (_, i) => Math.sin(i));
    const filters = Float32Array.from({ length: 3 * 3 * 3 * 5 }, (_, i) => Math.cos(i));
    const results = [];
    for (const on of [d, cpu]) {
      const x = await on.tensor(data, [2, 8, 8, 3]);
      const w = await on.tensor(filters, [3, 3, 3, 5]);
      const y = await on.ops.conv2d(x, w, undefined, { stride: 1, padding: 1, activation: 'relu' });
      results.push(Array.from(await y.read()));
    }
    const [a, b] = results as [number[], number[]];
    expect(a).to.have.length(2 * 8 * 8 * 5);
    expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).to.be.below(1e-5);
  });

  it('refuses float64 with the reason', async () => {
    await using d = await device('cuda:emulated');
    const x = await d.tensor(new Float64Array(4), [4]);
    const error = await errorOf(d.ops.relu(x));
    expect(error?.code).to.equal('INVALID_ARGUMENT');
    expect(error?.message).to.match(/float64.*CUDA device computes in float32/);
  });

  it('keeps to the memory limit and to the card’s memory', async () => {
    await using small = await device('cuda:emulated', { memoryLimit: 10_000 });
    expect(await codeOf(small.tensor(new Float32Array(5000), [5000]))).to.equal(
      'OUT_OF_DEVICE_MEMORY',
    );
    card.ask('capacity 100000');
    try {
      await using d = await device('cuda:emulated');
      const error = await errorOf(d.tensor(new Float32Array(50_000), [50_000]));
      expect(error?.code).to.equal('OUT_OF_DEVICE_MEMORY');
      await d.tensor(new Float32Array(5000), [5000]);
    } finally {
      card.ask(`capacity ${2 ** 34}`);
    }
  });

  it('is listed, and stands for CUDA where it is named as its library', async () => {
    expect(devices().map(({ name }) => name)).to.deep.equal(['cpu', 'cuda', 'cuda:emulated']);
    process.env.STRIATE_CUDA = library;
    process.env.STRIATE_CACHE = folder();
    try {
      await using best = await device('auto');
      expect(best.target).to.equal('cuda');
      expect(best.reason).to.match(/a CUDA device: emulated CUDA device, sm_/);
      await using exact = await device('auto', { precision: 'float64' });
      expect(exact.target).to.equal('cpu');
      expect(await codeOf(device('cuda:7'))).to.equal('DEVICE_UNAVAILABLE');
    } finally {
      delete process.env.STRIATE_CUDA;
      delete process.env.STRIATE_CACHE;
    }
  });

  it('names files that are no device library', async () => {
    const text = join(folder(), 'text.so');
    writeFileSync(text, 'not a library');
    const open = (path: string): string => {
      const options = { kind: 'plugin', path, index: 0, memoryLimit: 0 } as const;
      const error = thrown(() => native(() => addon().createDevice(options)));
      expect(error.code).to.equal('DEVICE_UNAVAILABLE');
      return error.message;
    };
    expect(open(text)).to.include(text);
    expect(open('/nowhere/striate_cuda.so')).to.match(/cannot open|no such file/i);
    expect(open('libm.so.6')).to.match(/path .* is absolute/);
    process.env.STRIATE_CUDA = text;
    try {
      const error = await errorOf(device('cuda'));
      expect(error?.code).to.equal('DEVICE_UNAVAILABLE');
      expect(error?.message).to.include(text);
    } finally {
      delete process.env.STRIATE_CUDA;
    }
  });

  it('lists every path of a cuBLASLt that is not to be had', () => {
    const ask = (path: string): { devices: number; failure: string } => {
      const env = { ...process.env, STRIATE_CUBLASLT: path };
      const output = execFileSync(probeBeside(library), [library], { env, encoding: 'utf8' });
      return JSON.parse(output) as { devices: number; failure: string };
    };
    const missing = ask('/nowhere/libcublasLt.so.13');
    expect(missing.devices).to.equal(0);
    expect(missing.failure).to.match(/cuBLASLt[^]*\/nowhere\/libcublasLt\.so\.13: .*No such file/);
    const text = join(folder(), 'libcublasLt.so.13');
    writeFileSync(text, 'not a library');
    expect(ask(text).failure).to.include(text);
    expect(ask(library).failure).to.match(/has no function cublasLt/);
  });
});
