import { expect } from 'chai';
import { device, type Device } from '../../lib/runtime/device.js';
import { codeOf, errorOf } from '../support/errors.js';

describe('tensor', () => {
  let d: Device;
  before(async () => {
    d = await device('cpu');
  });
  after(() => d.close());

  it('gives back what it was given, in every element type', async () => {
    for (const data of [
      Float32Array.of(1.5, -2, NaN),
      Float64Array.of(Math.PI, -0, Infinity),
      Uint8Array.of(0, 7, 255),
      Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1),
    ]) {
      using x = await d.tensor(data, [3]);
      expect(await x.read()).to.deep.equal(data);
      expect(x.readSync()).to.deep.equal(data);
    }
  });

  it('takes plain numbers and another dtype', async () => {
    using x = await d.tensor([1, 2, 3, 4], [2, 2]);
    expect(x).to.include({ dtype: 'float32', size: 4 });
    using y = await d.tensor(Float32Array.of(1, 2), [2], { dtype: 'float64' });
    expect(await y.read()).to.deep.equal(Float64Array.of(1, 2));
  });

  it('holds 16-bit numbers as their bits', async () => {
    using x = await d.tensor([1, -2.5, 1e-3, NaN], [2, 2], { dtype: 'bfloat16' });
    expect(x).to.include({ dtype: 'bfloat16', size: 4 });
    expect(await x.read()).to.deep.equal(Uint16Array.of(0x3f80, 0xc020, 0x3a83, 0x7fff));
    using y = await d.tensor(Float32Array.of(1, 65504, 65520, 2 ** -24), [4], { dtype: 'float16' });
    const bits = y.readSync() as Uint16Array;
    expect(bits).to.deep.equal(Uint16Array.of(0x3c00, 0x7bff, 0x7c00, 1));
    using z = await d.tensor(bits, [4], { dtype: 'float16' });
    expect(await z.read()).to.deep.equal(bits);
    expect(await codeOf(d.tensor(bits, [4]))).to.equal('INVALID_ARGUMENT');
  });

  it('16 bits are storage alone on the CPU', async () => {
    using x = await d.tensor([1, -2], [2], { dtype: 'bfloat16' });
    const error = await errorOf(d.ops.relu(x));
    expect(error).to.include({ code: 'INVALID_ARGUMENT' });
    expect(error!.message).to.match(/relu: x is stored in 16 bits/);
  });

  it('copies its data before the call returns', async () => {
    const data = Float32Array.of(1, 2);
    const making = d.tensor(data, [2]);
    data.fill(9);
    expect(await (await making).read()).to.deep.equal(Float32Array.of(1, 2));
  });

  it('reads a view of shared memory', async () => {
    const data = new Int32Array(new SharedArrayBuffer(16), 4, 2);
    data.set([5, 6]);
    expect(await (await d.tensor(data, [2])).read()).to.deep.equal(Int32Array.of(5, 6));
  });

  it('refuses data that do not have the shape', async () => {
    const error = await errorOf(d.tensor([1, 2, 3], [2]));
    expect(error).to.include({ code: 'INVALID_SHAPE' });
    expect(error!.message).to.match(/3 elements.*\[2\] has 2/);
    for (const shape of [[0], [-1], [1.5], [NaN], [1, 1, 1, 1, 1], 3, undefined, ['1']])
      expect(await codeOf(d.tensor([1], shape as number[])), String(shape)).to.equal(
        'INVALID_SHAPE',
      );
    for (const data of ['1', null, undefined, {}, new BigInt64Array(1), new ArrayBuffer(4)])
      expect(await codeOf(d.tensor(data as never, [1]))).to.equal('INVALID_ARGUMENT');
  });

  it('refuses data whose buffer was detached', async () => {
    const data = new Float32Array(4);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    expect(await codeOf(d.tensor(data, [4]))).to.equal('INVALID_SHAPE');
  });

  it('throws DISPOSED once disposed of', async () => {
    const x = await d.tensor([1], [1]);
    {
      using y = x;
      expect(y.disposed).to.equal(false);
    }
    expect(x.disposed).to.equal(true);
    const error = await errorOf(x.read());
    expect(error?.code).to.equal('DISPOSED');
    expect(error?.stack).to.include('tensor.test.ts');
    expect(() => x.readSync())
      .to.throw()
      .with.property('code', 'DISPOSED');
    expect(await codeOf(d.ops.relu(x))).to.equal('DISPOSED');
  });

  it('lets work that was queued before a dispose run', async () => {
    const x = await d.tensor(new Float32Array(1 << 20).fill(2), [1 << 20]);
    const reading = x.read();
    x.dispose();
    expect((await reading)[5]).to.equal(2);
  });

  it('is freed by the collector when forgotten', async () => {
    // .mocharc.json runs node with --expose-gc.
    const collect = globalThis.gc as () => void;
    const before = d.memory().blocks;
    for (let i = 0; i < 50; ++i) await d.tensor([i], [1]);
    for (let i = 0; i < 20 && d.memory().blocks > before; ++i) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(d.memory().blocks).to.be.at.most(before + 1);
  });
});
