import { expect } from 'chai';
import { OutOfDeviceMemoryError } from '../../lib/errors.js';
import { sequential } from '../../lib/graph/sequential.js';
import { conv2d, dense, flatten } from '../../lib/layers/index.js';
import { compileInference } from '../../lib/program/compile.js';
import type { Program } from '../../lib/program/program.js';
import { device, type Device } from '../../lib/runtime/device.js';
import { Executable } from '../../lib/runtime/executable.js';
import { codeOf } from '../support/errors.js';
import { nativeCode, openNative, reluProgram, runOf } from './native.js';

/** y = x + c by channel, as the compiler writes programs down. */
function program(): Program {
  const buffer = {
    dtype: 'float32' as const,
    category: 'activations' as const,
    fixed: 0,
    perImage: 2,
    bytes: 32,
    first: 0,
    last: 0,
  };
  return {
    version: 1,
    kind: 'infer',
    batch: 4,
    dtype: 'float32',
    buffers: [
      { ...buffer, name: 'x', region: 'input', offset: 0 },
      { ...buffer, name: 'y', region: 'arena', offset: 64 },
      { ...buffer, name: 'mean', region: 'constants', offset: 0, fixed: 2, perImage: 0, bytes: 8 },
    ],
    instructions: [
      {
        op: 'normalize',
        attributes: { scale: 1 },
        operands: [
          { buffer: 0, access: 'read', shape: [1, 2], batched: true, offset: 0, pitch: 2 },
          { buffer: 2, access: 'read', shape: [2], batched: false, offset: 0, pitch: 2 },
          null,
          { buffer: 1, access: 'overwrite', shape: [1, 2], batched: true, offset: 0, pitch: 2 },
        ],
        layer: 'images',
        phase: 'forward',
      },
    ],
    parameters: [],
    slots: [],
    inputs: [{ name: 'x', buffer: 0, dtype: 'float32', shape: [2], batched: true }],
    outputs: [{ name: 'y', buffer: 1, dtype: 'float32', shape: [2], batched: true }],
    bytes: {
      parameters: 0,
      gradients: 0,
      optimizer: 0,
      state: 0,
      constants: 64,
      arena: 128,
      input: 64,
    },
    constants: [{ offset: 0, data: Buffer.from(Float32Array.of(1, -1).buffer).toString('base64') }],
    ranges: { forward: [0, 1], backward: [1, 1], update: [1, 1] },
  };
}

describe('executable', () => {
  let d: Device;
  before(async () => {
    d = await device('cpu');
  });
  after(() => d.close());

  it('runs a program for any batch up to the planned one, from either slot', async () => {
    const executable = new Executable(d, program());
    for (const n of [4, 1, 3, 4]) {
      for (const slot of [0, 1] as const) {
        const x = Float32Array.from({ length: 2 * n }, (_, i) => i + slot);
        executable.stage(slot, { x });
        const { outputs, committed, seconds } = await executable.run({ n, slot });
        expect(outputs.y).to.deep.equal(x.map((v, i) => v + (i % 2 === 0 ? -1 : 1)));
        expect(committed).to.equal(true);
        expect(seconds).to.be.above(0);
      }
    }
    executable.dispose();
  });

  it('frees its memory', async () => {
    const before = d.memory();
    const executable = new Executable(d, program());
    expect(d.memory().categories.arena?.bytes).to.equal(128);
    await executable.run({ n: 1 });
    executable.dispose();
    executable.dispose();
    expect(d.memory().categories).to.deep.equal(before.categories);
    expect(await codeOf(executable.run({ n: 1 }))).to.equal('DISPOSED');
    expect(() => executable.stage(0, { x: new Float32Array(2) }))
      .to.throw()
      .with.property('code', 'DISPOSED');
  });

  it('measures instructions on request, and runs ranges', async () => {
    const executable = new Executable(d, program());
    const { times } = await executable.run({ n: 4, timing: true });
    expect(times).to.have.length(1);
    expect(times![0]).to.be.above(0);
    const part = await executable.run({ n: 4, range: 'backward', outputs: [], timing: true });
    expect(part).to.deep.include({ outputs: {}, times: [] });
    executable.dispose();
  });

  it('refuses wrong inputs', async () => {
    const executable = new Executable(d, program());
    const code = (inputs: object) => nativeCode(() => executable.stage(0, inputs as never));
    expect(await code({ z: new Float32Array(2) })).to.equal('INVALID_ARGUMENT');
    expect(await code({ x: new Float64Array(2) })).to.equal('INVALID_ARGUMENT');
    expect(await code({ x: new Float32Array(3) })).to.equal('INVALID_ARGUMENT');
    expect(await code({ x: new Float32Array(10) })).to.equal('INVALID_ARGUMENT');
    expect(await code({ x: new Float32Array(0) })).to.equal('INVALID_ARGUMENT');
    for (const n of [0, 5, -1, 1.5, NaN])
      expect(await codeOf(executable.run({ n }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(executable.run({ n: 1, outputs: ['z'] }))).to.equal('INVALID_ARGUMENT');
    executable.dispose();
  });

  it('refuses programs that are not in order, naming the instruction', async () => {
    const change = (f: (p: Program) => void): Promise<string | undefined> => {
      const changed = program();
      f(changed);
      const before = d.memory().blocks;
      return nativeCode(() => new Executable(d, changed)).finally(() => {
        expect(d.memory().blocks).to.equal(before);
      });
    };
    expect(await change((p) => (p.buffers[1]!.offset = 112))).to.equal('INVALID_ARGUMENT');
    expect(await change((p) => (p.instructions[0]!.op = 'nothing'))).to.equal('INVALID_ARGUMENT');
    expect(await change((p) => (p.instructions[0]!.attributes = {}))).to.equal('INVALID_ARGUMENT');
    expect(await change((p) => (p.instructions[0]!.operands[0]!.buffer = 9))).to.equal(
      'INVALID_ARGUMENT',
    );
    expect(await change((p) => (p.instructions[0]!.operands[1]!.shape = [1]))).to.equal(
      'INVALID_SHAPE',
    );
    expect(await change((p) => (p.bytes.constants = 4))).to.equal('INVALID_ARGUMENT');
    const broken = program();
    broken.instructions[0]!.operands[3]!.shape = [1, 1];
    expect(() => new Executable(d, broken)).to.throw(/images normalize \(instruction 0\)/);
  });

  it('says what a program that does not fit asks for, and what would fit', async () => {
    await using small = await device('cpu', { threads: 1, memoryLimit: '4.5MiB' }); // 4 MiB are the thread's
    const net = sequential(
      [16, 16, 4],
      [conv2d({ filters: 8, size: 3 }), flatten(), dense({ units: 2 })],
    );
    const compile = (batch: number): Program => compileInference(net, { batch });
    let error: OutOfDeviceMemoryError | undefined;
    try {
      new Executable(small, compile(1000));
    } catch (thrown) {
      error = thrown as OutOfDeviceMemoryError;
    }
    expect(error).to.be.instanceOf(OutOfDeviceMemoryError);
    expect(error!.message).to.match(/a batch of 1000 takes \d+ bytes: .*activations \d+/);
    const largest = error!.details!.largestBatch as number;
    expect(largest).to.be.within(1, 999);
    new Executable(small, compile(largest)).dispose();
    expect(() => new Executable(small, compile(largest + 1))).to.throw(OutOfDeviceMemoryError);
    expect(small.memory().blocks).to.equal(1);
  });

  it('shares memory that it is given, and leaves it alone', async () => {
    const arena = d.native.allocate(128, 'arena');
    const first = new Executable(d, program(), { arena });
    first.dispose();
    expect(arena.disposed).to.equal(false);
    const small = d.native.allocate(64, 'arena');
    expect(() => new Executable(d, program(), { arena: small }))
      .to.throw(/needs 128 bytes of arena/)
      .with.property('code', 'INVALID_ARGUMENT');
    const second = new Executable(d, program(), { arena });
    arena.dispose();
    expect(await codeOf(second.run({ n: 1 }))).to.equal('DISPOSED');
    second.dispose();
    small.dispose();
  });
});

describe('native executable', () => {
  it('throws BUSY for a slot that a step uses, and takes the other', async () => {
    const device = openNative();
    const width = 1 << 16;
    // So long that it still runs when this thread has waited for a core.
    const { executable } = reluProgram(device, { width, repeat: 4000 });
    const image = new Float32Array(width);
    executable.stage(0, 0, image);
    const run = executable.run(runOf(4, { end: 4000 }));
    expect(await nativeCode(() => executable.stage(0, 0, image))).to.equal('BUSY');
    executable.stage(1, 0, image);
    await run;
    executable.stage(0, 0, image);
    await device.close();
  });

  it('lets a disposed executable end its queued runs', async () => {
    const device = openNative();
    const { executable } = reluProgram(device);
    executable.stage(0, 0, new Float32Array(64).fill(5));
    const run = executable.run(runOf(4));
    executable.dispose();
    expect(new Float32Array((await run).outputs[0]!)[63]).to.equal(5);
    expect(await nativeCode(() => executable.run(runOf(4)))).to.equal('DISPOSED');
    await device.close();
  });

  it('resets the commit flag for each run', async () => {
    const device = openNative();
    const loss = device.allocate(4, 'arena');
    const { addon } = await import('../../lib/runtime/addon.js');
    const ops = addon().describeOps();
    const check = ops.findIndex((op) => op.name === 'checkFinite');
    const executable = device.createExecutable({
      batch: 1,
      regions: [loss],
      inputRegion: -1,
      slots: null,
      instructions: [
        {
          op: check,
          attributes: new Uint8Array(ops[check]!.attributesSize),
          operands: [
            null,
            { region: 0, byteOffset: 0, dtype: 0, access: 1, size: [], batched: false, pitch: 1 },
          ],
          label: 'check',
        },
      ],
      inputs: [],
      outputs: [],
    });
    for (const [value, committed] of [
      [1, true],
      [NaN, false],
      [Infinity, false],
      [2, true],
    ] as const) {
      await loss.write(0, Float32Array.of(value));
      expect((await executable.run(runOf(1, { outputs: [] }))).committed).to.equal(committed);
    }
    await device.close();
  });

  it('adds little to the work itself', async function () {
    this.timeout(20000);
    const device = openNative();
    const { executable } = reluProgram(device);
    executable.stage(0, 0, new Float32Array(64));
    const run = runOf(4);
    const times: number[] = [];
    for (let i = 0; i < 5000; ++i) {
      const start = performance.now();
      await executable.run(run);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    expect(times[2500]! * 1000, 'microseconds').to.be.below(60);
    await device.close();
  });
});
