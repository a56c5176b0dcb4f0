import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { sampleArrays } from '../../lib/data/dataset.js';
import {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
} from '../../lib/data/images/colour.js';
import { decodeInto } from '../../lib/data/images/decode.js';
import { augment, type AugmentName } from '../../lib/data/images/rand-augment.js';
import { wholeImage, type Pixels } from '../../lib/data/images/transforms.js';
import * as data from '../../lib/data/index.js';
import { Stream } from '../../lib/initializers/philox.js';
import { thrown } from '../support/thrown.js';

interface Fixture {
  height: number;
  width: number;
  image: string;
  adjusted: { name: string; amount: number; pixels: string }[];
  augmented: { name: AugmentName; magnitude: number; back: boolean; pixels: string }[];
  geometry: Record<'source' | 'crop' | 'resized' | 'enlarged', string>;
}

const fixture = JSON.parse(
  readFileSync(new URL('../fixtures/torchvision_images.json', import.meta.url), 'utf8'),
) as Fixture;
const { height, width } = fixture;
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const image = (): Pixels => ({ data: bytesOf(fixture.image), height, width, channels: 3 });
const draw = (name = 'a sample'): Stream => new Stream(1, name);

/** How many bytes differ, and by how much at most. */
function difference(a: Uint8Array, b: Uint8Array): { count: number; most: number } {
  let [count, most] = [0, 0];
  a.forEach((value, i) => {
    const d = Math.abs(value - b[i]!);
    if (d > 0) count++;
    most = Math.max(most, d);
  });
  return { count, most };
}

describe('changes of colours', () => {
  const changes: Record<string, (pixels: Pixels, amount: number) => void> = {
    brightness: adjustBrightness,
    contrast: adjustContrast,
    saturation: adjustSaturation,
    hue: adjustHue,
  };
  it('are torchvision’s', () => {
    for (const { name, amount, pixels } of fixture.adjusted) {
      const own = image();
      changes[name]!(own, amount);
      const { count, most } = difference(own.data, bytesOf(pixels));
      // torchvision computes in single precision: a fraction at a border may be cut to another byte.
      expect(most, `${name} ${amount}`).to.be.at.most(1);
      expect(count, `${name} ${amount}`).to.be.at.most(own.data.length * 0.02);
    }
  });

  it('jitter by the numbers asked for, in any order, and leave grey images grey', () => {
    const jitter = data.colorJitter({
      brightness: 0.4,
      contrast: [0.5, 1.5],
      saturation: 0.4,
      hue: 0.1,
    });
    expect(jitter.options).to.deep.equal({
      brightness: [0.6, 1.4],
      contrast: [0.5, 1.5],
      saturation: [0.6, 1.4],
      hue: [-0.1, 0.1],
    });
    const made = ['a', 'b'].map((name) => {
      const own = image();
      jitter.change(own, draw(name));
      return own.data;
    });
    expect(made[0]).to.not.deep.equal(made[1]);
    const again = image();
    jitter.change(again, draw('a'));
    expect(again.data).to.deep.equal(made[0]);
    const none = image();
    data.colorJitter({}).change(none, draw());
    expect(none.data).to.deep.equal(image().data);
    const grey = {
      data: Uint8Array.from({ length: 64 }, (_, i) => i),
      height: 8,
      width: 8,
      channels: 1,
    };
    data.colorJitter({ saturation: 1, hue: 0.5 }).change(grey, draw());
    expect([...grey.data]).to.deep.equal(Array.from({ length: 64 }, (_, i) => i));
    for (const wrong of [{ brightness: -1 }, { hue: 0.6 }, { contrast: [2, 1] }, { colour: 1 }])
      expect(thrown(() => data.colorJitter(wrong as never)).code).to.equal('INVALID_ARGUMENT');
  });

  it('light as Krizhevsky: one shift a colour for the whole image, of the published variance', () => {
    const lighting = data.pcaLighting();
    const shifts: number[][] = [];
    for (let i = 0; i < 3000; i++) {
      const own = { data: new Uint8Array(12).fill(128), height: 2, width: 2, channels: 3 };
      lighting.change(own, draw(String(i)));
      expect([...own.data.subarray(3, 6)]).to.deep.equal([...own.data.subarray(0, 3)]);
      shifts.push([0, 1, 2].map((c) => own.data[c]! - 128));
    }
    // Var = (255 * 0.1)^2 sum_i (p_ci l_i)^2, and 1/12 of rounding.
    const vectors = [
      [-0.5675, 0.7192, 0.4009],
      [-0.5808, -0.0045, -0.814],
      [-0.5836, -0.6948, 0.4203],
    ];
    const values = [0.2175, 0.0188, 0.0045];
    for (const c of [0, 1, 2]) {
      const expected =
        25.5 ** 2 * vectors[c]!.reduce((sum, p, i) => sum + (p * values[i]!) ** 2, 0) + 1 / 12;
      const found = shifts.reduce((sum, shift) => sum + shift[c]! ** 2, 0) / shifts.length;
      expect(found / expected).to.be.within(0.9, 1.1);
    }
    expect(thrown(() => data.pcaLighting(-1)).code).to.equal('INVALID_ARGUMENT');
  });
});

describe('RandAugment', () => {
  it('makes of an image what torchvision makes of it, change by change', () => {
    for (const { name, magnitude, back, pixels } of fixture.augmented) {
      const own = image();
      augment(own, name, magnitude, back);
      const { count, most } = difference(own.data, bytesOf(pixels));
      const geometric = /^(shear|rotate)/.test(name);
      const where = `${name} ${magnitude} ${back}`;
      // A fraction may be cut to another byte; in a row that falls just between two columns single
      // precision decides for the other neighbour.
      if (!geometric) expect(most, where).to.be.at.most(1);
      expect(count, where).to.be.at.most(own.data.length * (geometric ? 0.05 : 0.02));
    }
  });

  it('draws as many changes as asked, the same for the same sample', () => {
    const own = image();
    data.randAugment({ count: 0 }).change(own, draw());
    expect(own.data).to.deep.equal(image().data);
    const made = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const [a, b] = [image(), image()];
      data.randAugment().change(a, draw(String(i)));
      data.randAugment().change(b, draw(String(i)));
      expect(a.data).to.deep.equal(b.data);
      made.add(a.data.join());
    }
    expect(made.size).to.be.above(10);
    for (const wrong of [{ count: -1 }, { magnitude: 31 }, { magnitude: 1.5 }])
      expect(thrown(() => data.randAugment(wrong)).code).to.equal('INVALID_ARGUMENT');
  });
});

describe('random erasing', () => {
  it('wipes out a rectangle of the area and ratio asked for, as often as asked', () => {
    const erasing = data.randomErasing({ value: 255 });
    let erased = 0;
    for (let i = 0; i < 400; i++) {
      const own = { data: new Uint8Array(40 * 30), height: 30, width: 40, channels: 1 };
      erasing.change(own, draw(String(i)));
      const places = [...own.data.keys()].filter((at) => own.data[at] === 255);
      if (places.length === 0) continue;
      erased++;
      const rows = places.map((at) => Math.floor(at / 40));
      const columns = places.map((at) => at % 40);
      const h = Math.max(...rows) - Math.min(...rows) + 1;
      const w = Math.max(...columns) - Math.min(...columns) + 1;
      expect(places.length).to.equal(h * w);
      expect(places.length / 1200).to.be.within(0.012, 0.36);
      expect(h / w).to.be.within(0.2, 4.2);
    }
    expect(erased).to.be.within(160, 240);
    const noise = { data: new Uint8Array(300), height: 10, width: 10, channels: 3 };
    data.randomErasing({ probability: 1, value: 'noise' }).change(noise, draw());
    expect(new Set(noise.data).size).to.be.above(3);
    for (const wrong of [{ probability: 2 }, { scale: [0, 1] }, { value: 256 }, { value: 'black' }])
      expect(thrown(() => data.randomErasing(wrong as never)).code).to.equal('INVALID_ARGUMENT');
  });
});

describe('geometry', () => {
  const { geometry } = fixture;
  const decode = async (transforms: data.ViewTransform[], size: number): Promise<Uint8Array> => {
    const png = await sharp(bytesOf(geometry.source), {
      raw: { width: 80, height: 60, channels: 3 },
    })
      .png()
      .toBuffer();
    const into = new Uint8Array(size * size * 3);
    const stream = draw();
    await decodeInto(
      'x',
      png,
      3,
      (whole) => transforms.reduce((view, t) => t.apply(view, stream), whole),
      into,
    );
    return into;
  };
  const mean = (a: Uint8Array, b: Uint8Array): number =>
    a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

  it('resamples as torchvision does with antialiasing', async () => {
    const part = (left: number, top: number, w: number, h: number): data.ViewTransform => ({
      kind: 'part',
      apply: (view) => ({
        ...view,
        region: { left, top, width: w, height: h },
        width: 24,
        height: 24,
      }),
    });
    expect(mean(await decode([part(11, 7, 53, 41)], 24), bytesOf(geometry.crop))).to.be.below(1);
    expect(mean(await decode([part(30, 20, 9, 12)], 24), bytesOf(geometry.enlarged))).to.be.below(
      3,
    );
    const middle = await decode([data.resize(40), data.centerCrop(32)], 32);
    // The part is cut at whole pixels of the source, here up to half a pixel beside torchvision's.
    expect(mean(middle, bytesOf(geometry.resized))).to.be.below(4);
  });

  it('flips pixels and views alike', async () => {
    for (const [flip, view] of [
      [data.randomHorizontalFlip(1), { flip: true }],
      [data.randomVerticalFlip(1), { upsideDown: true }],
    ] as const) {
      const own = image();
      flip.change(own, draw());
      expect(flip.apply(wholeImage(4, 4), draw())).to.include(view);
      const raw = { raw: { width, height, channels: 3 as const } };
      const turned = sharp(image().data, raw);
      const expected = await ('flip' in view ? turned.flop() : turned.flip()).raw().toBuffer();
      expect(Buffer.compare(own.data, expected)).to.equal(0);
      const into = new Uint8Array(own.data.length);
      const png = await sharp(image().data, raw).png().toBuffer();
      await decodeInto('x', png, 3, (whole) => flip.apply(whole, draw()), into);
      expect(Buffer.compare(into, expected)).to.equal(0);
    }
  });

  it('cuts ten crops, and several scales', () => {
    const regions = (views: data.Views) =>
      views.map((list) => {
        const view = list.reduce((v, t) => t.apply(v, draw()), wholeImage(80, 40));
        expect([view.width, view.height]).to.deep.equal([10, 10]);
        return [view.region.left, view.region.top, view.region.width, view.flip];
      });
    expect(regions(data.tenCrop(10, 20))).to.deep.equal([
      [0, 0, 20, false],
      [60, 0, 20, false],
      [0, 20, 20, false],
      [60, 20, 20, false],
      [30, 10, 20, false],
      [60, 0, 20, true],
      [0, 0, 20, true],
      [60, 20, 20, true],
      [0, 20, 20, true],
      [30, 10, 20, true],
    ]);
    expect(regions(data.multiScale([10, 20], 10))).to.deep.equal([
      [20, 0, 40, false],
      [30, 10, 20, false],
    ]);
    expect(data.multiScale([10, 20], 10, 10)).to.have.lengthOf(20);
    expect(thrown(() => data.multiScale([8], 10)).code).to.equal('INVALID_ARGUMENT');
  });

  it('comes before changes of pixels', () => {
    const list = [data.pcaLighting(), data.randomHorizontalFlip(), data.resize(8)];
    const error = thrown(() =>
      data.fromRecords(async function* () {}, { size: 8, classes: [], transforms: list }),
    );
    expect(error.code).to.equal('INVALID_ARGUMENT');
    expect(error.message).to.contain('resize').and.to.contain('pcaLighting');
    data.fromRecords(async function* () {}, { size: 8, classes: [], transforms: list.slice(0, 2) });
    const none = { size: 8, classes: [], transforms: [{ kind: 'x' }] } as never;
    expect(thrown(() => data.fromRecords(async function* () {}, none)).code).to.equal(
      'INVALID_ARGUMENT',
    );
  });
});

/** Samples of one byte value each, 100 + i, labelled i % 4. */
function flat(length: number): data.Dataset {
  return data.fromArrays({
    x: Uint8Array.from({ length: length * 48 }, (_, at) => 100 + Math.floor(at / 48)),
    shape: [4, 4, 3],
    target: Int32Array.from({ length }, (_, i) => i % 4),
    classes: ['a', 'b', 'c', 'd'],
  });
}

async function read(set: data.Dataset, indices: number[], pass = { seed: 1, epoch: 0 }) {
  const into = sampleArrays(set, indices.length);
  await set.read(Uint32Array.from(indices), into, undefined, pass);
  return into as { x: Uint8Array; target: Float32Array };
}

describe('pairs of images', () => {
  it('share their labels as they share the pixels', async () => {
    for (const mixer of [data.mixup({ alpha: 1 }), data.cutmix()]) {
      const set = data.mixed(flat(64), [mixer]);
      expect(set.target).to.deep.equal({ dtype: 'float32', shape: [4] });
      let mixedSamples = 0;
      for (let epoch = 0; epoch < 4; epoch++) {
        const { x, target } = await read(
          set,
          Array.from({ length: 64 }, (_, i) => i),
          { seed: 1, epoch },
        );
        for (let i = 0; i < 64; i++) {
          const own = x.subarray(i * 48, (i + 1) * 48);
          const row = target.subarray(i * 4, (i + 1) * 4);
          expect(row.reduce((sum, v) => sum + v, 0)).to.be.closeTo(1, 1e-6);
          expect(row.every((v) => v >= 0)).to.equal(true);
          const others = new Set(own);
          others.delete(100 + i);
          if (others.size === 0) continue;
          mixedSamples++;
          if (mixer.kind === 'cutmix') {
            expect(others.size).to.equal(1);
            const other = [...others][0]! - 100;
            const share = own.filter((v) => v === 100 + i).length / 48;
            const label = other % 4 === i % 4 ? 1 : share;
            expect(row[i % 4]).to.be.closeTo(label, 1e-6);
          } else expect(new Set(own).size).to.equal(1);
        }
      }
      expect(mixedSamples, mixer.kind).to.be.above(120);
    }
  });

  it('depend on seed, epoch and index alone; with batches as partners on the batch too', async () => {
    const mixers = [data.mixup(), data.cutmix()];
    const set = data.mixed(flat(20), mixers, { labelSmoothing: 0.1 });
    const all = await read(set, [0, 5, 9, 19]);
    const one = await read(set, [9]);
    expect(one.x).to.deep.equal(all.x.subarray(96, 144));
    expect([...one.target]).to.deep.equal([...all.target.subarray(8, 12)]);
    expect(await read(set, [0, 5, 9, 19], { seed: 1, epoch: 1 })).to.not.deep.equal(all);
    expect(Math.min(...all.target)).to.be.closeTo(0.025, 1e-6);
    const near = data.mixed(flat(20), [data.mixup({ alpha: 5 })], { partner: 'batch' });
    const { x } = await read(near, [3, 11]);
    for (const i of [0, 1]) expect(x[48 * i]).to.be.within(103, 111);
    const never = data.mixed(flat(20), mixers, { probability: 0 });
    expect([...(await read(never, [6])).target]).to.deep.equal([0, 0, 1, 0]);
  });

  it('leave out images that were skipped', async () => {
    const skipping: data.Dataset = {
      ...flat(20),
      read(indices, into) {
        void flat(20).read(indices, into);
        indices.forEach((index, i) => {
          if (index % 2) into.target[i] = -1;
        });
      },
    };
    const set = data.mixed(skipping, [data.mixup({ alpha: 1 })]);
    const { target } = await read(
      set,
      Array.from({ length: 20 }, (_, i) => i),
    );
    for (let i = 0; i < 20; i++) {
      const row = [...target.subarray(4 * i, 4 * i + 4)];
      expect(row.reduce((sum, v) => sum + v, 0)).to.be.closeTo(i % 2 ? 0 : 1, 1e-6);
      expect(row[1]! + row[3]!).to.equal(0);
    }
  });

  it('draw shares from Beta(alpha, alpha)', () => {
    for (const alpha of [0.2, 1, 4]) {
      const mixer = data.mixup({ alpha });
      const shares = Array.from({ length: 3000 }, (_, i) =>
        mixer.mix(
          new Uint8Array(1),
          new Uint8Array(1),
          { height: 1, width: 1, channels: 1 },
          draw(`${i}`),
        ),
      );
      const mean = shares.reduce((a, b) => a + b) / shares.length;
      const variance = shares.reduce((sum, s) => sum + (s - mean) ** 2, 0) / shares.length;
      expect(mean).to.be.closeTo(0.5, 0.03);
      expect(variance / (1 / (4 * (2 * alpha + 1)))).to.be.within(0.9, 1.1);
    }
  });

  it('are refused where they make no sense', () => {
    const set = flat(4);
    for (const make of [
      () => data.mixup({ alpha: 0 }),
      () => data.mixed(set, []),
      () => data.mixed(set, [data.mixup()], { probability: 2 }),
      () => data.mixed(set, [data.mixup()], { partner: 'all' as never }),
      () => data.mixed({ ...set, classes: undefined } as never, [data.mixup()]),
      () => data.mixed(data.mixed(set, [data.mixup()]), [data.mixup()]),
    ])
      expect(thrown(make).code).to.equal('INVALID_ARGUMENT');
  });
});

describe('sets in memory', () => {
  it('are cropped and flipped as CIFAR is', async () => {
    const source = data.fromArrays({
      x: Uint8Array.from({ length: 2 * 48 }, (_, i) => i + 1),
      shape: [4, 4, 3],
      target: [0, 1],
    });
    const set = data.augmented(source, [
      data.randomCrop({ padding: 1 }),
      data.randomHorizontalFlip(),
    ]);
    const seen = new Set<string>();
    for (let epoch = 0; epoch < 60; epoch++) {
      const { x } = await read(set, [1, 0], { seed: 0, epoch });
      seen.add(x.subarray(48).join());
      const again = await read(set, [0], { seed: 0, epoch });
      expect(again.x).to.deep.equal(x.subarray(48));
    }
    // 9 places, each as it is or flipped.
    expect(seen.size).to.be.within(14, 18);
    expect(seen.has(Array.from({ length: 48 }, (_, i) => i + 1).join())).to.equal(true);
    expect(thrown(() => data.augmented(source, [data.resize(3)])).code).to.equal(
      'INVALID_ARGUMENT',
    );
  });
});
