import { expect } from 'chai';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { BatchReader } from '../../lib/data/batches.js';
import { sampleArrays } from '../../lib/data/dataset.js';
import * as data from '../../lib/data/index.js';
import { codeOf, errorOf } from '../support/errors.js';
import { plain, samples, tarOf } from '../support/shards.js';
import { thrown } from '../support/thrown.js';

/** Images of one value, i, labelled i % 10, that take a while. */
function slow(length: number, begun: { count: number } = { count: 0 }): data.Dataset {
  return {
    length,
    shape: [1],
    dtype: 'uint8',
    async read(indices, { x, target }) {
      const turn = begun.count++;
      // Later batches are ready before earlier ones.
      await new Promise((resolve) => setTimeout(resolve, turn % 3 === 0 ? 6 : 1));
      indices.forEach((index, i) => {
        x[i] = index;
        target[i] = index % 10;
      });
    },
  };
}

async function collect(set: data.Dataset, options: data.BatchOptions): Promise<data.Batch[]> {
  const all: data.Batch[] = [];
  for await (const batch of data.batches(set, options)) all.push(batch);
  return all;
}

describe('prefetching', () => {
  it('begins so many batches and no more until one is taken', async () => {
    for (const prefetch of [1, 2, 4]) {
      const begun = { count: 0 };
      const iterator = data.batches(slow(100, begun), { batch: 5, prefetch });
      for (let taken = 1; taken <= 5; taken++) {
        await iterator.next();
        await new Promise((resolve) => setTimeout(resolve, 30));
        expect(begun.count).to.equal(taken + prefetch);
      }
      await iterator.return();
    }
  });

  it('changes no batch, with arrays of their own or used again', async () => {
    const options = { batch: 7, epochs: 2, seed: 3 };
    const plainly = await collect(slow(50), options);
    for (const prefetch of [2, 5, 40]) {
      expect(await collect(slow(50), { ...options, prefetch })).to.deep.equal(plainly);
      const reader = new BatchReader(slow(50), { ...options, prefetch }, true);
      for (const expected of plainly) {
        const batch = (await reader.read())!;
        expect([...batch.x]).to.deep.equal([...expected.x]);
        expect([...batch.target]).to.deep.equal([...expected.target]);
        expect(batch.last).to.equal(expected.last);
      }
      expect(await reader.read()).to.equal(undefined);
      await reader.close();
    }
  });

  it('tells a failure at its batch, and reads that one again', async () => {
    const set = slow(40);
    let failures = 1;
    const failing: data.Dataset = {
      ...set,
      async read(indices, into, ...more) {
        if (indices[0] === 16 && failures-- > 0) throw new Error('once');
        return set.read(indices, into, ...more);
      },
    };
    const reader = new BatchReader(failing, { batch: 8, shuffle: false, prefetch: 3 }, true);
    const first: number[] = [];
    for (let i = 0; i < 6; i++) {
      const batch = await reader.read().catch((error: unknown) => (error as Error).message);
      first.push(typeof batch === 'string' ? -1 : (batch?.x[0] ?? -2));
    }
    expect(first).to.deep.equal([0, 8, -1, 16, 24, 32]);
    await reader.close();
  });

  it('refuses numbers that make no sense', () => {
    for (const wrong of [
      { prefetch: 0 },
      { worldSize: 0 },
      { rank: 2, worldSize: 2 },
      { rank: -1 },
    ])
      expect(thrown(() => new BatchReader(slow(9), { batch: 2, ...wrong })).code).to.equal(
        'INVALID_ARGUMENT',
      );
  });
});

describe('the parts of several ranks', () => {
  it('cover every epoch once, in the same number of steps', async () => {
    const quick = (length: number): data.Dataset =>
      data.fromArrays({ x: new Uint8Array(length), shape: [1], target: new Int32Array(length) });
    for (const [length, batch, worldSize] of [
      [50, 8, 2],
      [49, 8, 3],
      [17, 4, 4],
      [33, 2, 4],
      [9, 2, 4],
      [8, 1, 4],
      [5, 3, 5],
      [64, 8, 8],
    ] as const) {
      const ranks = await Promise.all(
        Array.from({ length: worldSize }, (_, rank) =>
          collect(quick(length), { batch, rank, worldSize, epochs: 2, seed: 5 }),
        ),
      );
      const steps = Math.ceil(length / (batch * worldSize));
      for (const own of ranks) {
        expect(own.length, `${length}, ${batch}, ${worldSize}`).to.equal(2 * steps);
        for (const { n, stepsPerEpoch } of own) {
          expect(n).to.be.within(1, batch);
          expect(stepsPerEpoch).to.equal(steps);
        }
        expect(own.map(({ last }) => last)).to.deep.equal(
          own.map((_, i) => i % steps === steps - 1),
        );
        expect(own.map(({ sample, end }) => [sample, end])).to.deep.equal(
          ranks[0]!.map(({ sample, end }) => [sample, end]),
        );
      }
      for (const epoch of [0, 1]) {
        const seen = ranks.flat().filter((b) => b.epoch === epoch);
        const indices = seen.flatMap((b) => [...b.indices]).sort((a, b) => a - b);
        expect(indices).to.deep.equal(Array.from({ length }, (_, i) => i));
      }
    }
  });

  it('go on at any step, with another number of ranks too', async () => {
    const set = data.fromArrays({ x: new Uint8Array(60), shape: [1], target: new Int32Array(60) });
    const of = (worldSize: number, batch: number, start?: data.DataPosition) =>
      Promise.all(
        Array.from({ length: worldSize }, (_, rank) =>
          collect(set, { batch, rank, worldSize, seed: 1, ...(start ? { start } : {}) }),
        ),
      );
    const whole = await of(3, 4);
    for (const { end, last } of whole[0]!) {
      if (last) continue;
      const rest = (await of(2, 6, { epoch: 0, sample: end })).flat();
      const before = whole.flat().filter((b) => b.sample < end);
      const seen = [...before, ...rest].flatMap((b) => [...b.indices]).sort((a, b) => a - b);
      expect(seen).to.deep.equal(Array.from({ length: 60 }, (_, i) => i));
    }
  });

  it('are refused where a rank would have none, and of streams', () => {
    const open = (length: number, options: data.BatchOptions) =>
      thrown(() => new BatchReader(slow(length), options)).code;
    expect(open(3, { batch: 2, worldSize: 4 })).to.equal('INVALID_ARGUMENT');
    expect(open(9, { batch: 1, worldSize: 4 })).to.equal('INVALID_ARGUMENT');
    const stream = data.fromAsyncIterable(
      async function* () {
        yield* [];
      },
      { shape: [1] },
    );
    expect(thrown(() => new BatchReader(stream, { batch: 2, worldSize: 2 })).code).to.equal(
      'INVALID_ARGUMENT',
    );
  });
});

describe('the stream of decoded batches', () => {
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'striate-loader-'));
    mkdirSync(join(folder, 'images', 'a'), { recursive: true });
    for (let i = 0; i < 23; i++) {
      const pixels = Uint8Array.from({ length: 24 * 20 * 3 }, (_, at) => (at * (i + 1)) % 256);
      await sharp(pixels, { raw: { width: 24, height: 20, channels: 3 } })
        .jpeg()
        .toFile(join(folder, 'images', 'a', `${i}.jpg`));
    }
    writeFileSync(join(folder, 's-0.tar'), await tarOf(await samples(9)));
    writeFileSync(join(folder, 's-1.tar'), await tarOf(await samples(8, 9)));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('is the same for 1, 2 and 4 workers, any prefetch, and from every batch on', async () => {
    const transforms = [data.randomResizedCrop(12), data.randomHorizontalFlip()];
    const kinds = {
      folder: (workers: number) =>
        data.imageFolder(join(folder, 'images'), { size: 12, transforms, workers }),
      tar: (workers: number) =>
        data.tar(join(folder, 's-{0..1}.tar'), { size: 12, transforms, workers }),
    };
    const options = { batch: 5, seed: 9, epochs: 2 };
    for (const [name, open] of Object.entries(kinds)) {
      const one = await collect(await open(1), options);
      for (let epoch = 0; epoch < 2; epoch++) {
        const seen = one.filter((b) => b.epoch === epoch).flatMap((b) => [...b.indices]);
        expect(seen.sort((a, b) => a - b)).to.deep.equal(
          Array.from({ length: name === 'tar' ? 17 : 23 }, (_, i) => i),
        );
      }
      expect(one[0]!.x).to.not.deep.equal(one.find((b) => b.epoch === 1)!.x);
      for (const workers of [2, 4])
        expect(await collect(await open(workers), { ...options, prefetch: workers })).to.deep.equal(
          one,
        );
      for (const [i, { epoch, sample }] of one.entries()) {
        const rest = await collect(await open(2), {
          ...{ ...options, start: { epoch, sample }, prefetch: 3 },
        });
        expect(rest, `${name} from batch ${i}`).to.deep.equal(one.slice(i));
      }
    }
  });

  it('decodes no more images at a time than there are workers, over all batches', async () => {
    for (const workers of [1, 3]) {
      let [now, most] = [0, 0];
      const bytes = await plain(7);
      const source = {
        length: 40,
        classes: ['a'],
        nameOf: String,
        labelOf: () => 0,
        async read() {
          most = Math.max(most, ++now);
          await new Promise((resolve) => setTimeout(resolve, 1));
          now--;
          return bytes;
        },
      };
      const { imageSet } = await import('../../lib/data/images/set.js');
      const set = imageSet('test', source, { size: 4, workers });
      await collect(set, { batch: 10, prefetch: 4 });
      expect(most).to.be.within(1, workers);
    }
    const wrong = data.imageFolder(join(folder, 'images'), { size: 4, workers: 0 });
    expect(await codeOf(wrong)).to.equal('INVALID_ARGUMENT');
  });
});

describe('images of every kind', () => {
  const [width, height] = [20, 10];
  const colour = [200, 100, 40] as const;
  const flat = (): Sharp =>
    sharp(
      Uint8Array.from({ length: width * height * 3 }, (_, i) => colour[i % 3]!),
      {
        raw: { width, height, channels: 3 },
      },
    );
  const grey = Math.round(0.2126 * 200 + 0.7152 * 100 + 0.0722 * 40);

  async function decoded(bytes: Uint8Array, options: Partial<data.RecordOptions> = {}) {
    const set = data.fromRecords(
      async function* () {
        yield { image: bytes, label: 0, name: 'the image' };
      },
      { size: 4, classes: ['a'], ...options },
    );
    const into = sampleArrays(set, 1);
    into.x.fill(77);
    await set.read(Uint32Array.of(0), into);
    return { pixel: [...into.x.subarray(0, 3)], label: into.target[0]!, broken: set.broken };
  }

  const good: Record<
    string,
    () => Promise<[bytes: Buffer, pixel: readonly number[], within: number]>
  > = {
    JPEG: async () => [await flat().jpeg().toBuffer(), colour, 3],
    'progressive JPEG': async () => [
      await flat().jpeg({ progressive: true }).toBuffer(),
      colour,
      3,
    ],
    'JPEG with a colour profile': async () => [
      await flat().withIccProfile('p3').jpeg().toBuffer(),
      colour,
      8,
    ],
    'JPEG without subsampling': async () => [
      await flat().jpeg({ chromaSubsampling: '4:4:4' }).toBuffer(),
      colour,
      3,
    ],
    'greyscale JPEG': async () => [
      await sharp(Buffer.alloc(width * height, grey), { raw: { width, height, channels: 1 } })
        .toColourspace('b-w')
        .jpeg()
        .toBuffer(),
      [grey, grey, grey],
      2,
    ],
    'CMYK JPEG': async () => [await flat().toColourspace('cmyk').jpeg().toBuffer(), colour, 40],
    '16-bit PNG': async () => [await flat().toColourspace('rgb16').png().toBuffer(), colour, 1],
    '16-bit grey PNG': async () => [
      await sharp(
        Uint16Array.from({ length: width * height }, () => 257 * 99),
        {
          raw: { width, height, channels: 1 },
        },
      )
        .toColourspace('grey16')
        .png()
        .toBuffer(),
      [99, 99, 99],
      1,
    ],
    'PNG with a palette': async () => [await flat().png({ palette: true }).toBuffer(), colour, 2],
    'animated GIF': async () => [await animation('gif'), colour, 4],
    'animated WebP': async () => [await animation('webp'), colour, 6],
    PPM: async () => [
      Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), await flat().raw().toBuffer()]),
      colour,
      0,
    ],
  };

  /** The first picture has the colour, the second is white. */
  async function animation(format: 'gif' | 'webp'): Promise<Buffer> {
    const white = Buffer.alloc(width * height * 3, 255);
    const frames = Buffer.concat([await flat().raw().toBuffer(), white]);
    const raw = { width, height: 2 * height, channels: 3 as const, pageHeight: height };
    const image = sharp(frames, { raw });
    return format === 'gif' ? image.gif().toBuffer() : image.webp({ lossless: true }).toBuffer();
  }

  for (const [name, make] of Object.entries(good))
    it(`${name}: its colours, in three channels and in one`, async () => {
      const [bytes, pixel, within] = await make();
      const found = await decoded(bytes);
      for (const c of [0, 1, 2]) expect(found.pixel[c]).to.be.closeTo(pixel[c]!, within);
      expect(found.label).to.equal(0);
      const one = await decoded(bytes, { channels: 1 });
      expect(one.label).to.equal(0);
      const luma = 0.2126 * pixel[0]! + 0.7152 * pixel[1]! + 0.0722 * pixel[2]!;
      // libvips weighs linear light, which is darker or lighter than the weighted bytes.
      expect(one.pixel[0]).to.be.closeTo(luma, 30);
    });

  it('an animation really has two pictures', async () => {
    for (const format of ['gif', 'webp'] as const)
      expect((await sharp(await animation(format)).metadata()).pages, format).to.equal(2);
  });

  const noise = (): Sharp =>
    sharp(
      Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 256),
      {
        raw: { width: 64, height: 64, channels: 3 },
      },
    );
  const bad: Record<string, () => Promise<Uint8Array>> = {
    'zero bytes': async () => new Uint8Array(),
    'no image': async () => Buffer.from('<html>404</html>'),
    'a JPEG cut in the middle': async () => half(await noise().jpeg().toBuffer()),
    'a progressive JPEG cut in the middle': async () =>
      half(await noise().jpeg({ progressive: true }).toBuffer()),
    'a JPEG cut in its head': async () => (await flat().jpeg().toBuffer()).subarray(0, 100),
    'a JPEG of one byte': async () => Buffer.of(0xff),
    'a PNG cut in the middle': async () => half(await noise().png().toBuffer()),
    'a WebP cut in the middle': async () => half(await noise().webp().toBuffer()),
    'a PPM cut in the middle': async () =>
      half(Buffer.concat([Buffer.from('P6\n20 10\n255\n'), Buffer.alloc(600)])),
    'a PPM larger than memory': async () => Buffer.from('P6\n999999 999999\n255\n'),
    'a PNG that says it is huge': async () => {
      const bytes = await flat().png().toBuffer();
      bytes.writeUInt32BE(0x7fffffff, 16);
      return bytes;
    },
  };
  const half = (bytes: Buffer): Uint8Array => bytes.subarray(0, bytes.length >> 1);

  for (const [name, make] of Object.entries(bad))
    it(`${name}: refused by name, or skipped and counted`, async () => {
      const bytes = await make();
      const error = await errorOf(decoded(bytes));
      expect(error?.code).to.equal('INVALID_DATA');
      expect(error!.message).to.match(/^the image: ./);
      const skipped = await decoded(bytes, { onError: 'skip' });
      expect(skipped.label).to.equal(-1);
      expect(skipped.pixel).to.deep.equal([0, 0, 0]);
      expect([...skipped.broken.keys()]).to.deep.equal(['the image']);
    });

  it('is decoded without the library’s word to the same bytes as with it', async () => {
    const bytes = await noise().jpeg().toBuffer();
    // An unknown segment of a profile makes the head say less.
    const marked = await sharp(bytes)
      .withExif({ IFD0: { Copyright: 'x' } })
      .jpeg()
      .toBuffer();
    const view = (whole: object): never =>
      ({
        ...whole,
        region: { left: 3, top: 5, width: 50, height: 40 },
        width: 24,
        height: 24,
        flip: true,
      }) as never;
    const { decodeInto } = await import('../../lib/data/images/decode.js');
    const reference = (input: Uint8Array, channels: 1 | 3): Promise<Buffer> =>
      sharp(input)
        .autoOrient()
        .extract({ left: 3, top: 5, width: 50, height: 40 })
        .resize(24, 24, { fit: 'fill', kernel: 'linear' })
        .flop()
        .flatten({ background: '#000000' })
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .raw({ depth: 'uchar' })
        .toBuffer();
    for (const input of [bytes, marked])
      for (const channels of [1, 3] as const) {
        const into = new Uint8Array(24 * 24 * channels);
        await decodeInto('x', input, channels, view, into);
        expect(Buffer.compare(into, await reference(input, channels))).to.equal(0);
      }
  });
});
