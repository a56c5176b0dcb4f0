import { expect } from 'chai';
import { device, devices, type Device } from '../../lib/runtime/device.js';
import { codeOf, errorOf } from '../support/errors.js';

describe('device', () => {
  it('opens the CPU and says what it is', async () => {
    await using d = await device('cpu', { threads: 2 });
    expect(d.name).to.equal('cpu');
    expect(d.threads).to.equal(2);
    expect(d.reason).to.equal('asked for');
    expect(d.description).to.be.a('string').and.not.empty;
  });

  it('says what auto chose and why', async () => {
    await using d = await device();
    expect(d.name).to.equal('cpu');
    expect(d.reason).to.match(/no CUDA device: .+/);
  });

  it('throws for cuda, with the reason', async () => {
    const error = await errorOf(device('cuda'));
    expect(error?.code).to.equal('DEVICE_UNAVAILABLE');
    expect(error?.message).to.match(/driver.*CUDA library/);
    expect(error?.remedy).to.be.a('string');
  });

  it('refuses names and options that are out of range', async () => {
    expect(await codeOf(device('tpu' as 'cpu'))).to.equal('INVALID_ARGUMENT');
    for (const threads of [-1, 1.5, NaN, 1e6, '2' as unknown as number])
      expect(await codeOf(device('cpu', { threads })), String(threads)).to.equal(
        'INVALID_ARGUMENT',
      );
    for (const memoryLimit of [-1, NaN, 2 ** 60])
      expect(await codeOf(device('cpu', { memoryLimit }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(device('cpu', { instructionSet: 'mmx' }))).to.equal('INVALID_ARGUMENT');
  });

  it('runs every instruction set of the build, with equal results', async () => {
    const sets = devices()[0]!.instructionSets!;
    const data = Float32Array.from({ length: 2000 }, (_, i) => Math.sin(i));
    for (const instructionSet of sets) {
      await using d = await device('cpu', { instructionSet });
      expect(d.instructionSet).to.equal(instructionSet);
      const y = await d.ops.relu(await d.tensor(data, [2000]));
      expect(await y.read()).to.deep.equal(data.map((v) => Math.max(0, v)));
    }
  });

  it('takes the instruction set from the environment', async () => {
    process.env.STRIATE_INSTRUCTION_SET = 'baseline';
    try {
      await using d = await device('cpu');
      expect(d.instructionSet).to.equal('baseline');
    } finally {
      delete process.env.STRIATE_INSTRUCTION_SET;
    }
  });

  it('lists the kinds of device', () => {
    const [cpu, cuda] = devices();
    expect(cpu).to.include({ name: 'cpu', available: true });
    expect(cpu!.cores).to.be.at.least(1);
    expect(cuda).to.include({ name: 'cuda', available: false });
    expect(cuda!.description).to.match(/CUDA library/);
  });

  describe('memory', () => {
    const size = (d: Device): number => d.memory().categories.tensors?.bytes ?? 0;

    it('counts tensors, and forgets them', async () => {
      await using d = await device('cpu');
      const before = d.memory();
      const tensors = [
        await d.tensor(new Float32Array(10), [10]),
        await d.tensor(new Float64Array(1 << 18), [1 << 18]),
      ];
      expect(size(d)).to.equal(40 + (8 << 18));
      expect(d.memory().blocks).to.equal(before.blocks + 2);
      for (const tensor of tensors) tensor.dispose();
      for (const tensor of tensors) tensor.dispose();
      const after = d.memory();
      expect({ ...after, peak: 0 }).to.deep.equal({ ...before, peak: 0 });
      expect(after.peak).to.be.at.least(40 + (8 << 18));
    });

    it('is back at zero after close', async () => {
      const d = await device('cpu');
      await d.tensor(new Float32Array(1000), [1000]);
      await d.close();
      expect(d.memory()).to.deep.include({ categories: {}, allocated: 0, blocks: 0 });
    });

    it('keeps to the limit, and goes on after a refusal', async () => {
      await using d = await device('cpu', { threads: 1, memoryLimit: 2 ** 22 + 3 * 2 ** 20 });
      const big = d.tensor(new Float32Array(2 ** 20), [2 ** 20]);
      const error = await errorOf(big);
      expect(error?.code).to.equal('OUT_OF_DEVICE_MEMORY');
      expect(error?.message).to.match(/limit of 7340032/);
      const x = await d.tensor(new Float32Array(2 ** 18), [2 ** 18]);
      expect(
        await codeOf(
          d.ops
            .relu(x)
            .then((y) => d.ops.relu(y))
            .then((y) => d.ops.relu(y)),
        ),
      ).to.equal('OUT_OF_DEVICE_MEMORY');
      x.dispose();
      expect(await codeOf(device('cpu', { threads: 4, memoryLimit: 1000 }))).to.equal(
        'OUT_OF_DEVICE_MEMORY',
      );
    });

    it('waits for queued work when only that holds the memory', async () => {
      await using d = await device('cpu', { threads: 1, memoryLimit: 2 ** 23 + 3 * 2 ** 20 });
      const x = await d.tensor(new Float32Array(2 ** 19), [2 ** 19]);
      for (let i = 0; i < 20; ++i) {
        const y = d.ops.relu(x);
        void y.then((tensor) => tensor.dispose());
        await y;
      }
    });

    it('refuses more than the machine has, and lives on', async () => {
      await using d = await device('cpu');
      expect(await codeOf(d.ops.fill({ shape: [2 ** 20, 2 ** 20, 2 ** 10] }))).to.equal(
        'OUT_OF_DEVICE_MEMORY',
      );
      expect(await codeOf(d.ops.fill({ shape: [2 ** 50, 2 ** 50] }))).to.equal('INVALID_SHAPE');
    });
  });

  describe('closed', () => {
    it('refuses all use', async () => {
      const d = await device('cpu');
      const x = await d.tensor([1, 2], [2]);
      await d.close();
      await d.close();
      expect(d.closed).to.equal(true);
      expect(x.disposed).to.equal(true);
      expect(await codeOf(d.tensor([1], [1]))).to.equal('DISPOSED');
      expect(await codeOf(d.ops.relu(x))).to.equal('DISPOSED');
      expect(await codeOf(x.read())).to.equal('DISPOSED');
      expect(() => x.readSync())
        .to.throw()
        .with.property('code', 'DISPOSED');
      x.dispose();
    });

    it('lets queued work run first', async () => {
      const d = await device('cpu');
      const x = await d.tensor(new Float32Array(1 << 20).fill(-1), [1 << 20]);
      const pending = Promise.all([d.ops.relu(x), x.read()]);
      const closing = [d.close(), d.close()];
      const [, data] = await pending;
      expect(data[77]).to.equal(-1);
      await Promise.all(closing);
    });
  });
});
