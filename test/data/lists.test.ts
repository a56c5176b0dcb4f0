import { expect } from 'chai';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleArrays } from '../../lib/data/dataset.js';
import * as data from '../../lib/data/index.js';
import { codeOf, errorOf } from '../support/errors.js';
import { plain } from '../support/shards.js';

async function read(set: data.Dataset): Promise<number[][]> {
  const into = sampleArrays(set, set.length);
  await set.read(
    Uint32Array.from({ length: set.length }, (_, i) => i),
    into,
  );
  return Array.from(into.target, (label, i) => [into.x[i * 4 * 4 * 3]!, label]);
}

let folder: string;
const put = (name: string, contents: string | Uint8Array): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, contents);
  return path;
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'striate-lists-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('lists of images', () => {
  const size = 4;
  beforeEach(async () => {
    put('a.png', await plain(10));
    put('in/b, "c".png', await plain(20));
  });

  it('as CSV: with and without names of the columns, quoted, in any order of columns', async () => {
    const both = [
      [10, 1],
      [20, 0],
    ];
    for (const text of [
      'a.png,dog\n"in/b, ""c"".png",cat\n',
      '\uFEFFpath,label\r\na.png,dog\r\n"in/b, ""c"".png", cat \r\n\r\n',
      'Class,width,File\ndog,3,a.png\ncat,,"in/b, ""c"".png"',
    ]) {
      const set = await data.imageList(put('list.csv', text), { size });
      expect(set.classes).to.deep.equal(['cat', 'dog']);
      expect(await read(set)).to.deep.equal(both);
      expect(set.pathOf(0)).to.equal(join(folder, 'a.png'));
    }
    const numbers = await data.imageList(put('list.csv', 'a.png,3\na.png,0'), { size });
    expect(numbers.classes).to.deep.equal(['0', '1', '2', '3']);
    expect(await read(numbers)).to.deep.equal([
      [10, 3],
      [10, 0],
    ]);
  });

  it('as JSONL, from another folder, with classes given', async () => {
    const elsewhere = put(
      'lists/l.jsonl',
      '{"path":"a.png","label":"dog"}\n\n{"file":"a.png","class":0}',
    );
    const options = { size, root: folder, classes: ['cow', 'dog'] };
    expect(await read(await data.imageList(elsewhere, options))).to.deep.equal([
      [10, 1],
      [10, 0],
    ]);
    const absolute = put('l.jsonl', JSON.stringify({ image: join(folder, 'a.png'), target: 'x' }));
    expect(await read(await data.imageList(absolute, { size, root: '/none' }))).to.deep.equal([
      [10, 0],
    ]);
  });

  it('name the line of an unknown class and of every other fault', async () => {
    const faults: [string, string, RegExp][] = [
      ['l.csv', 'a.png,dog\na.png,wolf', /line 2, has the class wolf/],
      ['l.csv', 'a.png,dog\na.png,7', /line 2, has the class 7/],
      ['l.csv', 'a.png,dog\na.png', /line 2, has no path and label/],
      ['l.csv', 'a.png,dog\n\n"a.png,dog\n', /line 3, has a quote/],
      ['l.csv', '', /names no image/],
      ['l.jsonl', '{"path":"a.png","label":"dog"}\n{"path":"a.png"}', /line 2, has no path/],
      ['l.jsonl', 'null', /line 1, has no path/],
      ['l.jsonl', '{', /line 1, is no JSON/],
    ];
    for (const [name, text, message] of faults) {
      const error = await errorOf(data.imageList(put(name, text), { size, classes: ['dog'] }));
      expect(error?.code, text).to.equal('INVALID_DATA');
      expect(error!.message).to.match(message);
    }
    expect(await codeOf(data.imageList(put('l.csv', 'a.png,'), { size }))).to.equal('INVALID_DATA');
    expect(await codeOf(data.imageList(join(folder, 'no.csv'), { size }))).to.equal('INVALID_DATA');
    expect(await codeOf(data.imageList(put('l.txt', 'a'), { size }))).to.equal('INVALID_ARGUMENT');
    const missing = await data.imageList(put('l.csv', 'no.png,1\na.png,1'), { size });
    expect((await errorOf(read(missing)))!.message).to.contain('no.png');
    const lenient = await data.imageList(put('l.csv', 'no.png,1\na.png,1'), {
      size,
      onError: 'skip',
    });
    expect(await read(lenient)).to.deep.equal([
      [0, -1],
      [10, 1],
    ]);
  });

  it('split by a file of names', async () => {
    put('x/1.png', await plain(30));
    put('x/2.png', await plain(40));
    put('y/1.png', await plain(50));
    const set = await data.imageFolder(folder, { size, classes: ['in', 'x', 'y'] });
    const [listed, rest] = await data.splitByFile(set, put('test.txt', 'x/1.png\ny/1\n\n'));
    expect(await read(listed)).to.deep.equal([
      [30, 1],
      [50, 2],
    ]);
    expect(await read(rest)).to.deep.equal([
      [20, 0],
      [40, 1],
    ]);
    const error = await errorOf(data.splitByFile(set, put('test.txt', 'x/1.png\nx/9.png')));
    expect(error!.code).to.equal('INVALID_DATA');
    expect(error!.message).to.contain('line 2').and.to.contain('x/9.png');
  });
});

describe('the layout of ImageNet', () => {
  const size = 4;
  const val = (i: number): string => `ILSVRC2012_val_0000000${i}`;
  const words = 'n01440764 tench, Tinca tinca\nn02012849 crane\nn03126707 crane\n';
  beforeEach(async () => {
    for (const [i, id] of ['n01440764', 'n02012849', 'n03126707'].entries())
      put(`ILSVRC/Data/CLS-LOC/train/${id}/${id}_1.JPEG`, await plain(10 * i));
  });

  it('with folders for validation, named by synset', async () => {
    put('ILSVRC/Data/CLS-LOC/val/n02012849/1.JPEG', await plain(70));
    const { train, test, synsets } = await data.imageNet(folder, { size });
    expect(synsets).to.deep.equal(['n01440764', 'n02012849', 'n03126707']);
    expect(train.classes).to.deep.equal(synsets);
    expect(await read(train)).to.deep.equal([
      [0, 0],
      [10, 1],
      [20, 2],
    ]);
    expect(await read(test)).to.deep.equal([[70, 1]]);
  });

  it('with a flat folder and Kaggle’s or Caffe’s labels, and names', async () => {
    put('LOC_synset_mapping.txt', words);
    for (const i of [1, 2]) put(`ILSVRC/Data/CLS-LOC/val/${val(i)}.JPEG`, await plain(60 + 10 * i));
    put('val.txt', `${val(2)}.JPEG 0\n${val(1)}.JPEG 2\n`);
    const caffe = await data.imageNet(folder, { size });
    expect(caffe.train.classes).to.deep.equal([
      'tench, Tinca tinca',
      'crane (n02012849)',
      'crane (n03126707)',
    ]);
    expect(await read(caffe.test)).to.deep.equal([
      [80, 0],
      [70, 2],
    ]);
    put(
      'LOC_val_solution.csv',
      `ImageId,PredictionString\n${val(1)},n03126707 1 2 3 4 n03126707 5 6 7 8 \n`,
    );
    expect(await read((await data.imageNet(folder, { size })).test)).to.deep.equal([[70, 2]]);
    put('LOC_val_solution.csv', `${val(1)},n09999999 1 2 3 4\n`);
    const error = await errorOf(data.imageNet(folder, { size }));
    expect(error!.code).to.equal('INVALID_DATA');
    expect(error!.message).to.contain('line 1').and.to.contain('n09999999');
  });

  it('says what is missing', async () => {
    expect(await codeOf(data.imageNet(folder, { size }))).to.equal('INVALID_DATA');
    put(`ILSVRC/Data/CLS-LOC/val/${val(1)}.JPEG`, await plain(0));
    expect((await errorOf(data.imageNet(folder, { size })))!.remedy).to.contain('val.txt');
    expect(await codeOf(data.imageNet(join(folder, 'none'), { size }))).to.equal('INVALID_DATA');
    put('val/x', '');
    put('train/dog/1.jpg', '');
    expect(await codeOf(data.imageNet(folder, { size }))).to.equal('INVALID_DATA');
  });
});

describe('records from an iterable', () => {
  it('are decoded, labelled and batched; a second epoch starts anew', async () => {
    const paths = [put('0.png', await plain(0)), put('1.png', await plain(10))];
    let begun = 0;
    const set = data.fromRecords(
      async function* () {
        begun++;
        for (const [i, path] of paths.entries()) yield { image: path, label: i };
        yield { image: readFileSync(paths[1]!), label: 'b', name: 'the last' };
      },
      { size: 4, classes: ['a', 'b'] },
    );
    const found: number[][] = [];
    for await (const { x, target, n } of data.batches(set, { batch: 2, epochs: 2 }))
      for (let i = 0; i < n; i++) found.push([x[i * 48]!, target[i]!]);
    const once = [
      [0, 0],
      [10, 1],
      [10, 1],
    ];
    expect(found).to.deep.equal([...once, ...once]);
    expect(begun).to.equal(2);
    expect(
      await codeOf(Promise.resolve(set.read(Uint32Array.of(5), sampleArrays(set, 1)))),
    ).to.equal('INVALID_ARGUMENT');
  });

  it('name what is broken, and refuse unknown classes', async () => {
    const one = (record: data.ImageRecord, onError: 'throw' | 'skip' = 'throw') =>
      data.fromRecords(
        async function* () {
          yield record;
        },
        { size: 4, classes: ['a'], onError },
      );
    const get = async (set: data.Dataset) => {
      const into = sampleArrays(set, 1);
      await set.read(Uint32Array.of(0), into);
      return into.target[0];
    };
    const image = await plain(1);
    expect(await get(one({ image, label: 'a' }))).to.equal(0);
    expect(await codeOf(get(one({ image, label: 'b' })))).to.equal('INVALID_DATA');
    expect((await errorOf(get(one({ image: image.subarray(9), label: 0 }))))!.message).to.contain(
      'record 0',
    );
    expect((await errorOf(get(one({ image: '/none.png', label: 0 }))))!.message).to.contain(
      '/none.png',
    );
    const lenient = one({ image: new Uint8Array(), label: 0, name: 'x' }, 'skip');
    expect(await get(lenient)).to.equal(-1);
    expect([...lenient.broken.keys()]).to.deep.equal(['x']);
  });
});
