import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { sampleArrays } from '../../lib/data/dataset.js';
import * as data from '../../lib/data/index.js';
import { codeOf, errorOf } from '../support/errors.js';

/** A picture with a gradient and a colour of its own. */
function picture(i: number, width: number, height: number) {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, at) => {
    const x = Math.floor(at / 3) % width;
    return (40 * i + x * (1 + (at % 3))) % 256;
  });
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

const contentsOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => !name.endsWith('.index.json'))
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
  );

describe('packing', () => {
  let base: string;
  let images: string;
  const open = (onError: 'throw' | 'skip' = 'throw') =>
    data.imageFolder(images, { size: 8, onError });
  const small = { size: 16, shardSize: 6000 };

  beforeEach(async () => {
    base = mkdtempSync(join(tmpdir(), 'striate-pack-'));
    images = join(base, 'images');
    for (const name of ['ant', 'bee']) mkdirSync(join(images, name), { recursive: true });
    for (let i = 0; i < 12; i++)
      await picture(i, 40, 30)
        .jpeg()
        .toFile(join(images, i % 2 ? 'ant' : 'bee', `${i}.jpg`));
  });
  afterEach(() => {
    rmSync(base, { recursive: true });
  });

  it('makes shards with checksums, of smaller images in a mixed order', async () => {
    const out = join(base, 'out');
    const seen: number[] = [];
    const manifest = await data.pack(await open(), {
      ...{ out, ...small },
      onProgress: ({ done }) => seen.push(done),
    });
    expect(seen).to.deep.equal(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(manifest.complete).to.equal(true);
    expect(manifest.shards.length).to.be.above(1);
    expect(manifest.shards.reduce((sum, { samples }) => sum + samples, 0)).to.equal(12);
    for (const { file, bytes, sha256 } of manifest.shards) {
      const contents = readFileSync(join(out, file));
      expect(contents.length).to.equal(bytes);
      expect(createHash('sha256').update(contents).digest('hex')).to.equal(sha256);
      expect(execFileSync('tar', ['-tf', join(out, file)], { encoding: 'utf8' })).to.match(
        /^(\d{8}-\d+\.jpg\n\d{8}-\d+\.cls\n)+$/,
      );
    }
    const set = await data.tar(out, { size: 16 });
    expect(set.classes).to.deep.equal(['ant', 'bee']);
    expect(set.length).to.equal(12);
    const names = Array.from({ length: 12 }, (_, i) => /-(\d+)\.jpg$/.exec(set.nameOf(i))![1]!);
    expect(names.map(Number).sort((a, b) => a - b)).to.deep.equal(
      Array.from({ length: 12 }, (_, i) => i),
    );
    for (const [i, name] of names.entries())
      expect(set.labelOf(i)).to.equal(Number(name) % 2 ? 0 : 1);
    const labels = Array.from({ length: 12 }, (_, i) => set.labelOf(i)).join('');
    expect(labels).to.not.match(/^0*1*$/);
    const { width, height } = await sharp(await set.encoded(0)).metadata();
    expect([width, height]).to.deep.equal([21, 16]);
    expect(readdirSync(out).filter((name) => name.endsWith('.part'))).to.deep.equal([]);
    expect(contentsOf(out)).to.deep.equal(
      (await data.pack(await open(), { out: join(base, 'again'), ...small, workers: 1 }),
      contentsOf(join(base, 'again'))),
    );
  });

  it('keeps JPEG files that are small enough, byte for byte', async () => {
    const out = join(base, 'out');
    await data.pack(await open(), { out, size: 30 });
    const set = await data.tar(out, { size: 8 });
    const name = /-(\d+)\.jpg$/.exec(set.nameOf(5))![1]!;
    const own = readFileSync(join(images, Number(name) % 2 ? 'ant' : 'bee', `${name}.jpg`));
    expect(Buffer.compare(Buffer.from(await set.encoded(5)), own)).to.equal(0);
  });

  it('writes raw pixels as PPM, which are read without decoding', async () => {
    await sharp(await picture(3, 40, 30).png().toBuffer())
      .toColourspace('b-w')
      .png()
      .toFile(join(images, 'ant', 'grey.png'));
    const out = join(base, 'out');
    await data.pack(await open(), { out, size: 16, format: 'raw' });
    const set = await data.tar(out, { size: [16, 21], transforms: [] });
    const into = sampleArrays(set, set.length);
    await set.read(
      Uint32Array.from({ length: set.length }, (_, i) => i),
      into,
    );
    for (let i = 0; i < set.length; i++) {
      const bytes = Buffer.from(await set.encoded(i));
      expect(bytes.subarray(0, 13).toString()).to.equal('P6\n21 16\n255\n');
      const got = Buffer.from(into.x.subarray(i * 1008, (i + 1) * 1008));
      expect(Buffer.compare(got, bytes.subarray(13))).to.equal(0);
    }
  });

  it('goes on wherever it was ended, to the bytes of a run that was not', async () => {
    writeFileSync(join(images, 'ant', 'broken.jpg'), 'no image');
    writeFileSync(join(images, 'bee', 'empty.jpg'), '');
    const whole = join(base, 'whole');
    const options = { ...small, onError: 'skip' as const };
    const manifest = await data.pack(await open(), { out: whole, ...options });
    expect(manifest.broken.map(([name]) => name.slice(images.length)).sort()).to.deep.equal([
      '/ant/broken.jpg',
      '/bee/empty.jpg',
    ]);
    const expected = contentsOf(whole);
    const { shards } = manifest;
    const broken = (count: number) => {
      // As they stood when the first shards were done.
      const images = shards.slice(0, count).reduce((sum, shard) => sum + shard.images, 0);
      const samples = shards.slice(0, count).reduce((sum, shard) => sum + shard.samples, 0);
      return manifest.broken.slice(0, images - samples);
    };
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 40; round++) {
      const out = join(base, `round-${round}`);
      mkdirSync(out);
      const done = random(shards.length);
      for (const { file } of shards.slice(0, done))
        copyFileSync(join(whole, file), join(out, file));
      const partial = {
        ...manifest,
        complete: false,
        shards: shards.slice(0, done),
        broken: broken(done),
      };
      if (done > 0) writeFileSync(join(out, 'manifest.json'), JSON.stringify(partial));
      const current = readFileSync(join(whole, shards[done]!.file));
      const cut = current.subarray(0, random(current.length + 1));
      // Between the rename and the manifest the shard is there and not yet listed.
      if (random(4) === 0) writeFileSync(join(out, shards[done]!.file), current);
      else writeFileSync(join(out, `${shards[done]!.file}.part`), cut);
      expect(await data.pack(await open(), { out, ...options })).to.deep.equal(manifest);
      expect(contentsOf(out), `round ${round}`).to.deep.equal(expected);
    }
  });

  it('does not take over a part of other images, nor a shard that was changed', async () => {
    const out = join(base, 'out');
    await data.pack(await open(), { out, ...small });
    const expected = contentsOf(out);
    const [first, second] = ['shard-000000.tar', 'shard-000001.tar'].map((n) => join(out, n)) as [
      string,
      string,
    ];
    copyFileSync(second, `${first}.part`);
    rmSync(first);
    await data.pack(await open(), { out, ...small });
    expect(contentsOf(out)).to.deep.equal(expected);
    appendFileSync(second, 'x');
    await data.pack(await open(), { out, ...small });
    expect(contentsOf(out)).to.deep.equal(expected);
  });

  it('stays where it is after an abort, and says so', async () => {
    const out = join(base, 'out');
    const stop = new AbortController();
    const ending = data.pack(await open(), {
      ...{ out, ...small, workers: 1, signal: stop.signal },
      onProgress: ({ done }) => done === 7 && stop.abort('SIGINT'),
    });
    expect(await codeOf(ending)).to.equal('CANCELLED');
    const seen: number[] = [];
    const manifest = await data.pack(await open(), {
      ...{ out, ...small },
      onProgress: ({ done }) => seen.push(done),
    });
    expect(manifest.complete).to.equal(true);
    expect(await data.pack(await open(), { out, ...small })).to.deep.equal(manifest);
  });

  it('refuses other settings, other images, broken images and options without sense', async () => {
    const out = join(base, 'out');
    await data.pack(await open(), { out, ...small });
    for (const other of [
      { size: 17 },
      { shardSize: 7000 },
      { format: 'raw' as const },
      { quality: 80 },
    ])
      expect(await codeOf(data.pack(await open(), { out, ...small, ...other }))).to.equal(
        'INVALID_ARGUMENT',
      );
    copyFileSync(join(images, 'ant', '1.jpg'), join(images, 'ant', 'more.jpg'));
    const error = await errorOf(data.pack(await open(), { out, ...small }));
    expect(error!.code).to.equal('INVALID_ARGUMENT');
    expect(error!.message).to.contain('other images');
    const whole = readFileSync(join(images, 'ant', '1.jpg'));
    writeFileSync(join(images, 'ant', 'cut.jpg'), whole.subarray(0, whole.length / 2));
    const broken = await errorOf(data.pack(await open(), { out: join(base, 'o2'), size: 30 }));
    expect(broken!.code).to.equal('INVALID_DATA');
    expect(broken!.message).to.contain('cut.jpg');
    for (const wrong of [
      { size: 0 },
      { quality: 101 },
      { format: 'png' },
      { out: '' },
      { sise: 3 },
    ])
      expect(await codeOf(data.pack(await open(), { out, ...wrong } as data.PackOptions))).to.equal(
        'INVALID_ARGUMENT',
      );
    const file = join(images, 'ant', '1.jpg');
    expect(await codeOf(data.pack(await open(), { out: join(file, 'x') }))).to.equal(
      'INVALID_ARGUMENT',
    );
  });
});

describe('checking a data set', () => {
  it('counts, and finds what is broken or under the wrong class', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'striate-check-'));
    try {
      const put = async (name: string, i: number): Promise<void> => {
        mkdirSync(join(folder, name, '..'), { recursive: true });
        await picture(i, 20, 20).jpeg().toFile(join(folder, name));
      };
      await put('cat/1.jpg', 1);
      await put('cat/dog_17.jpg', 2);
      await put('cat/dog/3.jpg', 3);
      await put('cat/cat_and_dog.jpg', 4);
      await put('dog/x.jpg', 5);
      await put('dog/y.jpg', 1);
      writeFileSync(join(folder, 'dog', 'z.jpg'), '');
      const set = await data.imageFolder(folder, { size: 8 });
      const found = await data.check(set, { root: `${folder}/`, thumbnails: 2, workers: 3 });
      expect(found.images).to.equal(7);
      expect(found.classes).to.deep.equal([
        { name: 'cat', count: 4 },
        { name: 'dog', count: 3 },
      ]);
      expect(found.broken).to.deep.equal([
        { name: join(folder, 'dog/z.jpg'), reason: 'the file is empty' },
      ]);
      expect(
        found.mislabelled.map(({ name, reason }) => [name.slice(folder.length), reason]),
      ).to.deep.equal([
        ['/cat/dog/3.jpg', 'the path says dog, the class is cat'],
        ['/cat/dog_17.jpg', 'the path says dog, the class is cat'],
        ['/dog/y.jpg', `the same image stands under cat: ${join(folder, 'cat/1.jpg')}`],
      ]);
      expect(found.thumbnails.map(({ label }) => label)).to.deep.equal(
        [0, 0, 1, 1].slice(0, found.thumbnails.length),
      );
      expect(found.thumbnails.length).to.be.within(3, 4);
      expect(await codeOf(data.check(set, { signal: AbortSignal.abort() }))).to.equal('CANCELLED');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
