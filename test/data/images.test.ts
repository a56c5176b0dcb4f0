import { expect } from 'chai';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Create, type Sharp } from 'sharp';
import * as data from '../../lib/data/index.js';
import { sampleArrays } from '../../lib/data/dataset.js';
import { wholeImage } from '../../lib/data/images/transforms.js';
import { Stream } from '../../lib/initializers/philox.js';
import { codeOf, errorOf } from '../support/errors.js';

type Pixel = readonly [number, number, number];

/** A picture whose left half has one colour and whose right half another. */
function halves(width: number, height: number, left: Pixel, right: Pixel): Sharp {
  const bytes = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const x = Math.floor(i / 3) % width;
    return (x < width / 2 ? left : right)[i % 3]!;
  });
  return sharp(bytes, { raw: { width, height, channels: 3 } });
}

const red: Pixel = [255, 0, 0];
const blue: Pixel = [0, 0, 255];

describe('image folders', () => {
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'striate-images-'));
    for (const name of ['dog', 'cat', '.cache', 'cat/more']) mkdirSync(join(folder, name));
    await halves(40, 30, red, blue)
      .png()
      .toFile(join(folder, 'dog', 'b.png'));
    await halves(30, 40, blue, red)
      .png()
      .toFile(join(folder, 'cat', 'a.PNG'));
    await halves(16, 16, red, red)
      .png()
      .toFile(join(folder, 'cat', 'more', 'c.png'));
    writeFileSync(join(folder, 'cat', 'notes.txt'), 'no image');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const read = async (set: data.Dataset, indices: number[], pass?: data.DataPass) => {
    const into = sampleArrays(set, indices.length);
    await set.read(Uint32Array.from(indices), into, undefined, pass);
    return { x: into.x as Uint8Array, target: [...into.target] };
  };
  const pixel = ({ x }: { x: Uint8Array }, at: number): number[] => [
    ...x.subarray(3 * at, 3 * at + 3),
  ];

  it('have a class a folder, sorted, and every image below it', async () => {
    const set = await data.imageFolder(folder, { size: 8 });
    expect(set.classes).to.deep.equal(['cat', 'dog']);
    expect([0, 1, 2].map((i) => set.pathOf(i).slice(folder.length))).to.deep.equal([
      '/cat/a.PNG',
      '/cat/more/c.png',
      '/dog/b.png',
    ]);
    expect(set.shape).to.deep.equal([8, 8, 3]);
    const found = await read(set, [2, 0]);
    expect(found.target).to.deep.equal([1, 0]);
    expect(pixel(found, 0)).to.deep.equal([255, 0, 0]);
    expect(pixel(found, 7)).to.deep.equal([0, 0, 255]);
    expect(pixel(found, 64)).to.deep.equal([0, 0, 255]);
  });

  it('give a set its classes, and refuse another', async () => {
    const set = await data.imageFolder(folder, { size: 8, classes: ['dog', 'fox', 'cat'] });
    expect((await read(set, [0])).target).to.deep.equal([2]);
    const error = await errorOf(data.imageFolder(folder, { size: 8, classes: ['cat'] }));
    expect(error!.code).to.equal('INVALID_DATA');
    expect(error!.message).to.contain('dog');
  });

  it('turn, flatten and convert: EXIF, transparency, grey, 16 bits, CMYK, animation', async () => {
    const made = join(folder, 'made');
    mkdirSync(join(made, 'x'), { recursive: true });
    const put = (name: string): string => join(made, 'x', name);
    // Orientation 6: what is stored as the left is the top.
    await halves(20, 10, red, blue).withMetadata({ orientation: 6 }).png().toFile(put('1.png'));
    const clear = { width: 8, height: 8, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } };
    await sharp({ create: clear as Create })
      .png()
      .toFile(put('2.png'));
    await halves(8, 8, [200, 200, 200], [200, 200, 200])
      .toColourspace('b-w')
      .png()
      .toFile(put('3.png'));
    await halves(8, 8, [200, 200, 200], [200, 200, 200])
      .toColourspace('rgb16')
      .png()
      .toFile(put('4.png'));
    await halves(8, 8, [200, 200, 200], [200, 200, 200])
      .toColourspace('cmyk')
      .jpeg()
      .toFile(put('5.jpg'));
    await halves(8, 8, red, red).gif().toFile(put('6.gif'));
    const set = await data.imageFolder(made, { size: 8, transforms: [] });
    const found = await read(set, [0, 1, 2, 3, 4, 5]);
    expect(pixel(found, 3)).to.deep.equal([255, 0, 0]);
    expect(pixel(found, 60)).to.deep.equal([0, 0, 255]);
    expect(pixel(found, 64)).to.deep.equal([0, 0, 0]);
    expect(pixel(found, 128)).to.deep.equal([200, 200, 200]);
    expect(pixel(found, 192)).to.deep.equal([200, 200, 200]);
    for (const value of pixel(found, 256)) expect(value).to.be.closeTo(200, 20);
    expect(pixel(found, 320)).to.deep.equal([255, 0, 0]);
    const grey = await data.imageFolder(made, { size: 8, channels: 1, transforms: [] });
    expect((await read(grey, [2])).x[0]).to.equal(200);
  });

  it('name a file that does not decode, or skip it with a label that does not count', async () => {
    const whole = await halves(64, 64, red, blue).jpeg().toBuffer();
    writeFileSync(join(folder, 'dog', 'a.jpg'), whole.subarray(0, whole.length / 2));
    writeFileSync(join(folder, 'dog', 'z.png'), '');
    const strict = await data.imageFolder(folder, { size: 8 });
    const error = await errorOf(read(strict, [0, 2]));
    expect(error!.code).to.equal('INVALID_DATA');
    expect(error!.message).to.contain(join('dog', 'a.jpg'));
    const lenient = await data.imageFolder(folder, { size: 8, onError: 'skip' });
    const found = await read(lenient, [2, 4, 3]);
    expect(found.target).to.deep.equal([-1, -1, 1]);
    expect(found.x.subarray(0, 2 * 192).every((value) => value === 0)).to.equal(true);
    expect(
      [...lenient.broken.keys()].map((path) => path.slice(folder.length)).sort(),
    ).to.deep.equal(['/dog/a.jpg', '/dog/z.png']);
  });

  it('change a sample by seed, epoch and index alone', async () => {
    const set = await data.imageFolder(folder, {
      size: 8,
      transforms: [data.randomResizedCrop(8), data.randomHorizontalFlip()],
    });
    const [all, one] = [
      await read(set, [0, 1, 2], { seed: 3, epoch: 2 }),
      await read(set, [2], { seed: 3, epoch: 2 }),
    ];
    expect(one.x).to.deep.equal(all.x.subarray(2 * 192));
    const views = new Set<string>();
    for (let epoch = 0; epoch < 8; ++epoch)
      views.add((await read(set, [2], { seed: 3, epoch })).x.join());
    expect(views.size).to.be.above(3);
    const reader = data.batches(set, { batch: 1, seed: 3, epochs: 1, shuffle: false });
    const { value } = await reader.next();
    expect((value as data.Batch).x).to.deep.equal((await read(set, [0], { seed: 3, epoch: 0 })).x);
    await reader.return();
  });

  it('stop after an abort, and refuse what is no folder, size or option', async () => {
    const set = await data.imageFolder(folder, { size: 8 });
    const aborted = set.read(Uint32Array.of(0), sampleArrays(set, 1), AbortSignal.abort());
    expect(await codeOf(Promise.resolve(aborted))).to.equal('CANCELLED');
    expect(await codeOf(read(set, [3]))).to.equal('INVALID_ARGUMENT');
    const open = (path: string, options: object) =>
      codeOf(data.imageFolder(path, options as data.ImageFolderOptions));
    expect(await open(join(folder, 'none'), { size: 8 })).to.equal('INVALID_DATA');
    expect(await open(join(folder, 'cat', 'more'), { size: 8 })).to.equal('INVALID_DATA');
    for (const wrong of [{}, { size: 0 }, { size: 8, channels: 2 }, { size: 8, onError: 'no' }])
      expect(await open(folder, wrong)).to.equal('INVALID_ARGUMENT');
  });
});

describe('transforms of images', () => {
  const draw = (): Stream => new Stream(1, 'a sample');

  it('resize and cut the middle as ImageNet is evaluated', () => {
    const view = [data.resize(256), data.centerCrop(224)].reduce(
      (v, transform) => transform.apply(v, draw()),
      wholeImage(500, 375),
    );
    // 500x375 becomes 341x256; of that the middle 224x224.
    expect([view.width, view.height]).to.deep.equal([224, 224]);
    expect(view.region.width).to.be.closeTo((224 * 500) / 341, 1e-9);
    expect(view.region.left).to.be.closeTo(((341 - 224) / 2) * (500 / 341), 1e-9);
    expect(view.region.top).to.be.closeTo(16 * (375 / 256), 1e-9);
  });

  it('cut random parts inside the image, of the area and ratio asked for', () => {
    const stream = draw();
    const crop = data.randomResizedCrop([20, 10]);
    let [smallest, largest] = [1, 0];
    for (let i = 0; i < 500; ++i) {
      const { region, width, height } = crop.apply(wholeImage(120, 90), stream);
      expect([width, height]).to.deep.equal([10, 20]);
      expect(region.left).to.be.at.least(0);
      expect(region.top).to.be.at.least(0);
      expect(region.left + region.width).to.be.at.most(120 + 1e-9);
      expect(region.top + region.height).to.be.at.most(90 + 1e-9);
      const area = (region.width * region.height) / (120 * 90);
      [smallest, largest] = [Math.min(smallest, area), Math.max(largest, area)];
      expect(region.width / region.height).to.be.within(0.75 * 0.9, (4 / 3) * 1.1);
    }
    expect(smallest).to.be.within(0.07, 0.15);
    expect(largest).to.be.above(0.75);
    const narrow = crop.apply(wholeImage(1000, 2), stream);
    expect(narrow.region.height).to.equal(2);
  });

  it('flip about half of the images, and a crop after a flip from the other side', () => {
    const stream = draw();
    const flip = data.randomHorizontalFlip();
    const flips = Array.from({ length: 400 }, () => flip.apply(wholeImage(4, 4), stream).flip);
    expect(flips.filter(Boolean).length).to.be.within(160, 240);
    expect(data.randomHorizontalFlip(1).apply(wholeImage(4, 4), stream).flip).to.equal(true);
  });

  it('refuse numbers that make no sense', () => {
    for (const make of [
      () => data.resize(0),
      () => data.centerCrop([3, 2.5]),
      () => data.randomResizedCrop(8, { scale: [0.5, 2] }),
      () => data.randomResizedCrop(8, { ratio: [2, 1] }),
      () => data.randomHorizontalFlip(2),
    ])
      expect(make).to.throw().with.property('code', 'INVALID_ARGUMENT');
  });
});
