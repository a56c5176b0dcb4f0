import { expect } from 'chai';
import { device, type Device } from '../../lib/runtime/device.js';
import { listOps } from '../../lib/program/op.js';
import { codeOf, errorOf } from '../support/errors.js';

describe('eager ops', () => {
  let d: Device;
  before(async () => {
    d = await device('cpu');
  });
  after(() => d.close());

  const ramp = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(i * 0.7));

  it('are all the ops with an eager form', () => {
    const names = listOps().filter((op) => op.eager !== undefined);
    expect(Object.keys(d.ops)).to.have.members(names.map((op) => op.name));
    expect(names).to.have.length.above(20);
  });

  it('convolve forward and backward', async () => {
    const x = await d.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1]);
    const w = await d.tensor([1, 0, 0, -1], [2, 2, 1, 1]);
    const b = await d.tensor([10], [1]);
    const y = await d.ops.conv2d(x, w, b);
    expect(y.shape).to.deep.equal([1, 2, 2, 1]);
    expect([...(await y.read())]).to.deep.equal([6, 6, 6, 6]);
    const dx = await d.ops.conv2dBackwardData(y, w, { inputSize: 3 });
    expect([...(await dx.read())]).to.deep.equal([6, 6, 0, 6, 0, -6, 0, -6, -6]);
    const { dw, db } = await d.ops.conv2dBackwardFilter(x, y, { size: 2, bias: true });
    expect([...(await dw.read())]).to.deep.equal([72, 96, 144, 168]);
    expect([...(await db.read())]).to.deep.equal([24]);
    expect([...(await (await d.ops.conv2dBackwardFilter(x, y, { size: 2 })).read())]).to.deep.equal(
      [72, 96, 144, 168],
    );
  });

  it('take options where an optional input is left out', async () => {
    const x = await d.tensor(ramp(2 * 8 * 8 * 3), [2, 8, 8, 3]);
    const w = await d.tensor(ramp(3 * 3 * 3 * 4), [3, 3, 3, 4]);
    const y = await d.ops.conv2d(x, w, { padding: 1, stride: 1, activation: 'relu' });
    expect(y.shape).to.deep.equal([2, 8, 8, 4]);
    expect(Math.min(...(await y.read()))).to.equal(0);
  });

  it('pool with switches, and back', async () => {
    const x = await d.tensor([1, 4, 3, 2], [1, 2, 2, 1]);
    const { y, switches } = await d.ops.maxPool2d(x, { size: 2, switches: true });
    expect([...(await y.read())]).to.deep.equal([4]);
    expect(await switches.read()).to.deep.equal(Uint8Array.of(1));
    const dx = await d.ops.maxPool2dBackward(y, switches, { size: 2, inputSize: 2 });
    expect([...(await dx.read())]).to.deep.equal([0, 4, 0, 0]);
  });

  it('compute in float64 where an input is', async () => {
    const x = await d.tensor(Float64Array.of(1 / 3), [1]);
    const y = await d.ops.unary(x, { kind: 'square' });
    expect(y.dtype).to.equal('float64');
    expect([...(await y.read())]).to.deep.equal([1 / 9]);
  });

  it('normalise, reduce, classify', async () => {
    const images = await d.tensor(Uint8Array.of(0, 51, 102, 255), [1, 2, 2, 1]);
    const x = await d.ops.normalize(images, null, null, { scale: 1 / 255 });
    expect([...(await x.read())].map((v) => Math.round(v * 10))).to.deep.equal([0, 2, 4, 10]);
    const mean = await d.ops.reduce(x, { kind: 'mean' });
    expect(mean.shape).to.deep.equal([]);
    expect((await mean.read())[0]).to.be.closeTo(0.4, 1e-6);
    const logits = await d.tensor([0, 0, 5, 0], [2, 2]);
    const labels = await d.tensor(Int32Array.of(1, 0), [2]);
    const { losses, statistics } = await d.ops.softmaxCrossEntropy(logits, labels);
    expect((await losses.read())[0]).to.be.closeTo(Math.LN2, 1e-6);
    expect((await statistics.read())[1]).to.equal(2);
  });

  it('draw the same dropout for the same step', async () => {
    const x = await d.tensor(new Float32Array(100).fill(1), [2, 50]);
    const draw = async (step: number): Promise<number[]> => [
      ...(await (await d.ops.dropout(x, { rate: 0.5, seed: 3, step })).read()),
    ];
    expect(await draw(1)).to.deep.equal(await draw(1));
    expect(await draw(1)).to.not.deep.equal(await draw(2));
  });

  it('say what is wrong with a call, and leave nothing behind', async () => {
    const x = await d.tensor(ramp(16), [1, 4, 4, 1]);
    const w = await d.tensor(ramp(18), [3, 3, 2, 1]);
    const before = d.memory().blocks;
    const error = await errorOf(d.ops.conv2d(x, w));
    expect(error?.code).to.equal('INVALID_SHAPE');
    expect(error?.message).to.match(/conv2d.*inChannels\/groups/);
    expect(error?.stack).to.include('eager.test.ts');
    expect(await codeOf(d.ops.conv2d(x, undefined as never))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(d.ops.conv2d(x, [1] as never))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf((d.ops.relu as (...x: object[]) => Promise<object>)(x, x))).to.equal(
      'INVALID_ARGUMENT',
    );
    expect(await codeOf(d.ops.maxPool2d(x, { size: 3 }))).to.equal('INVALID_SHAPE');
    expect(await codeOf(d.ops.dropout(x, { rate: 0.5, step: -1 }))).to.equal('INVALID_ARGUMENT');
    expect(d.memory().blocks).to.equal(before);
  });

  it('refuse tensors of another device', async () => {
    await using other = await device('cpu', { threads: 1 });
    const x = await other.tensor([1], [1]);
    const error = await errorOf(d.ops.relu(x));
    expect(error?.message).to.match(/another device/);
  });

  it('run in the order of the calls', async () => {
    const x = await d.tensor([1], [1]);
    const doubled = d.ops.copy(x, { alpha: 2 });
    const [a, b] = await Promise.all([doubled, d.ops.copy(x, { alpha: 3 })]);
    expect([...a.readSync(), ...b.readSync()]).to.deep.equal([2, 3]);
  });

  it('stay flat over a thousand synchronous steps', async () => {
    await using own = await device('cpu');
    const x = await own.tensor(ramp(64), [64]);
    let after100 = 0;
    for (let i = 0; i < 1000; ++i) {
      const y = await own.ops.relu(x);
      y.readSync();
      y.dispose();
      if (i === 100) after100 = own.memory().allocated;
    }
    expect(own.memory().allocated).to.equal(after100);
  });
});
