import { expect } from 'chai';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  readSafetensors,
  SafetensorsFile,
  writeSafetensors,
  type HostTensor,
} from '../../lib/formats/safetensors.js';
import { codeOf } from '../support/errors.js';

/** A file from a header text and data bytes. */
function fileOf(header: string, data = 0, declared = Buffer.byteLength(header)): Buffer {
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(declared));
  return Buffer.concat([start, Buffer.from(header), Buffer.alloc(data)]);
}

describe('safetensors', () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'striate-safetensors-'));
    path = join(folder, 'a.safetensors');
  });
  after(() => rm(folder, { recursive: true }));

  const tensors = new Map<string, HostTensor>([
    ['b', { dtype: 'uint8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ['conv1.w', { dtype: 'float32', shape: [1, 2, 2], data: Float32Array.of(1, -2, 0.5, NaN) }],
    ['scalar', { dtype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 62n)) }],
    ['empty', { dtype: 'int32', shape: [0, 4], data: new Int32Array(0) }],
    ['d', { dtype: 'float64', shape: [2], data: Float64Array.of(Math.PI, -0) }],
    ['__proto__', { dtype: 'int32', shape: [1], data: Int32Array.of(-7) }],
  ]);

  it('reads back what was written, metadata included', async () => {
    await writeSafetensors(path, tensors, { striate: '{"a":"ü"}' });
    const back = await readSafetensors(path);
    expect(back.metadata.get('striate')).to.equal('{"a":"ü"}');
    expect([...back.tensors.keys()].sort()).to.deep.equal([...tensors.keys()].sort());
    for (const [name, tensor] of tensors) {
      const read = back.tensors.get(name) as HostTensor;
      expect(read.dtype).to.equal(tensor.dtype);
      expect(read.shape).to.deep.equal(tensor.shape);
      expect(Buffer.from(read.data.buffer).equals(Buffer.from(tensor.data.buffer))).to.equal(true);
    }
  });

  it('aligns every tensor to its element size', async () => {
    await writeSafetensors(path, tensors);
    const file = await SafetensorsFile.open(path);
    await file.close();
    for (const [name, { begin }] of file.entries) {
      const size = (tensors.get(name) as HostTensor).data.BYTES_PER_ELEMENT;
      expect(begin % size, name).to.equal(0);
    }
  });

  it('writes views of larger buffers', async () => {
    const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    await writeSafetensors(path, new Map([['x', { dtype: 'float32', shape: [2], data }]]));
    const { tensors: back } = await readSafetensors(path);
    expect([...(back.get('x') as HostTensor).data]).to.deep.equal([1, 2]);
  });

  it('leaves no other file behind, and the old one when writing fails', async () => {
    await writeSafetensors(path, tensors);
    const before = await readFile(path);
    const wrong = new Map<string, HostTensor>([
      ['x', { dtype: 'float32', shape: [3], data: new Float32Array(2) }],
    ]);
    expect(await codeOf(writeSafetensors(path, wrong))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(writeSafetensors(join(folder, 'no/where'), tensors))).to.equal(
      'INVALID_ARGUMENT',
    );
    expect((await readFile(path)).equals(before)).to.equal(true);
    expect(await readdir(folder)).to.deep.equal(['a.safetensors']);
  });

  it('refuses a file cut at any byte', async () => {
    await writeSafetensors(path, tensors, { note: 'x' });
    const whole = await readFile(path);
    const cut = join(folder, 'cut');
    await writeFile(cut, whole);
    for (let length = whole.length - 1; length >= 0; length--) {
      await truncate(cut, length);
      expect(await codeOf(readSafetensors(cut)), `${length} bytes`).to.equal('INVALID_FORMAT');
    }
    await writeFile(cut, Buffer.concat([whole, Buffer.alloc(1)]));
    expect(await codeOf(readSafetensors(cut))).to.equal('INVALID_FORMAT');
  });

  const entry = (dtype: string, shape: unknown, offsets: unknown): string =>
    JSON.stringify({ x: { dtype, shape, data_offsets: offsets } });
  const hostile: Record<string, Buffer> = {
    'a header length beyond the file': fileOf('{}', 0, 1000),
    'a header length of 2^63': Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x80, 0x7b, 0x7d]),
    'an empty header': fileOf(''),
    'a header that is not JSON': fileOf('{"x":'),
    'a header that is a list': fileOf('[]'),
    'a header that is not UTF-8': Buffer.concat([fileOf('', 0, 2), Buffer.from([0x7b, 0xff])]),
    'deeply nested JSON': fileOf('{"x":' + '['.repeat(200_000)),
    'an entry that is a number': fileOf('{"x":3}'),
    'an unknown type': fileOf(entry('Q7', [1], [0, 4]), 4),
    'a type named as a method': fileOf(entry('constructor', [1], [0, 4]), 4),
    'a negative extent': fileOf(entry('F32', [-1], [0, 4]), 4),
    'a fractional extent': fileOf(entry('F32', [0.5], [0, 2]), 2),
    'extents whose product overflows': fileOf(entry('F32', [2 ** 40, 2 ** 40], [0, 4]), 4),
    'a shape that is no list': fileOf(entry('F32', 'no', [0, 4]), 4),
    'a range that does not match the shape': fileOf(entry('F32', [2], [0, 4]), 4),
    'a range that runs backwards': fileOf(entry('F32', [1], [4, 0]), 4),
    'a range beyond the data': fileOf(entry('F32', [4], [0, 16]), 4),
    'a gap between tensors': fileOf(entry('F32', [1], [4, 8]), 8),
    'data that no tensor covers': fileOf(entry('F32', [1], [0, 4]), 8),
    'tensors that overlap': fileOf(
      JSON.stringify({
        x: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
        y: { dtype: 'F32', shape: [2], data_offsets: [4, 12] },
      }),
      12,
    ),
    'metadata that is no object': fileOf('{"__metadata__":[]}'),
    'metadata that holds a number': fileOf('{"__metadata__":{"a":1}}'),
  };
  for (const [what, bytes] of Object.entries(hostile))
    it(`refuses ${what}`, async () => {
      await writeFile(path, bytes);
      expect(await codeOf(readSafetensors(path))).to.equal('INVALID_FORMAT');
    });

  it('survives any damage to its header', async () => {
    await writeSafetensors(path, tensors);
    const whole = await readFile(path);
    const header = 8 + Number(whole.readBigUInt64LE());
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 500; round++) {
      const damaged = Buffer.from(whole);
      for (let i = 0; i <= random(3); i++) damaged[random(header)] = random(256);
      await writeFile(path, damaged);
      const code = await codeOf(readSafetensors(path));
      expect(code === undefined || code === 'INVALID_FORMAT', `round ${round}: ${code}`).to.equal(
        true,
      );
    }
  });

  it('names a file that is not there', async () => {
    expect(await codeOf(readSafetensors(join(folder, 'none')))).to.equal('INVALID_ARGUMENT');
  });
});
