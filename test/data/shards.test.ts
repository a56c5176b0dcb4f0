import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleArrays } from '../../lib/data/dataset.js';
import * as data from '../../lib/data/index.js';
import { expandBraces } from '../../lib/data/shards/braces.js';
import { tarMembers, type TarMember } from '../../lib/formats/tar.js';
import { codeOf, errorOf } from '../support/errors.js';
import {
  fileHandler,
  partOf,
  plain,
  samples,
  serve,
  tarOf,
  withType,
  type Handler,
} from '../support/shards.js';
import { thrown } from '../support/thrown.js';

/** Greys and labels of a set's samples. */
async function read(set: data.Dataset, indices?: number[]): Promise<number[][]> {
  const all = indices ?? Array.from({ length: set.length }, (_, i) => i);
  const into = sampleArrays(set, all.length);
  await set.read(Uint32Array.from(all), into);
  return all.map((_, i) => [into.x[i * 4 * 4 * 3]!, into.target[i]!]);
}

const expected = (from: number, to: number): number[][] =>
  Array.from({ length: to - from }, (_, i) => [10 * (from + i), (from + i) % 3]);

describe('names with braces', () => {
  it('stand for ranges and lists, one inside another', () => {
    expect(expandBraces('a-{008..011}.tar')).to.deep.equal(
      ['008', '009', '010', '011'].map((n) => `a-${n}.tar`),
    );
    expect(expandBraces('{2..0}')).to.deep.equal(['2', '1', '0']);
    expect(expandBraces('{9..10}')).to.deep.equal(['9', '10']);
    expect(expandBraces('{a,b{0..1},}/{x,y}')).to.deep.equal(
      ['a', 'b0', 'b1', ''].flatMap((n) => [`${n}/x`, `${n}/y`]),
    );
    expect(expandBraces('plain.tar')).to.deep.equal(['plain.tar']);
  });

  it('are refused when they do not match, or stand for too much', () => {
    for (const wrong of ['{0..1', '0}', 'a}b{', '{a}', '{0..99999999}', '{0..999}{0..9999}'])
      expect(thrown(() => expandBraces(wrong)).code, wrong).to.equal('INVALID_ARGUMENT');
  });
});

describe('tar shards', () => {
  let folder: string;
  const put = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'striate-shards-'));
  });
  afterEach(() => {
    chmodSync(folder, 0o755);
    rmSync(folder, { recursive: true });
  });

  it('are one set, read in any order', async () => {
    put('t-00.tar', await tarOf(await samples(5)));
    put('t-01.tar', await tarOf(await samples(3, 5)));
    const set = await data.tar(join(folder, 't-{00..01}.tar'), { size: 4 });
    expect(set.length).to.equal(8);
    expect(set.classes).to.deep.equal(['0', '1', '2']);
    expect(await read(set)).to.deep.equal(expected(0, 8));
    expect(await read(set, [7, 0, 6])).to.deep.equal([7, 0, 6].map((i) => [10 * i, i % 3]));
    expect(set.nameOf(6)).to.equal(`${join(folder, 't-01.tar')}: 0006.png`);
    expect([...(await set.encoded(6))]).to.deep.equal([...(await plain(60))]);
    expect(await read(await data.tar(folder, { size: 4 }))).to.deep.equal(expected(0, 8));
    expect(await codeOf(read(set, [8]))).to.equal('INVALID_ARGUMENT');
  });

  it('take classes by name, by number, and from JSON; another class is an error', async () => {
    const shard = put(
      'a.tar',
      await tarOf({
        'x/a.b.jpg': await plain(10),
        'x/a.cls': 'cat',
        'y.png': await plain(20),
        'y.json': '{"label": 1, "text": "…"}',
        'z.txt': 'of no meaning',
        'z.json': '{"class": "cat"}',
        'z.PNG': await plain(30),
      }),
    );
    const classes = ['dog', 'cat', 'cow'];
    const set = await data.tar(shard, { size: 4, classes });
    expect(await read(set)).to.deep.equal([
      [10, 1],
      [20, 1],
      [30, 1],
    ]);
    expect((await data.tar(shard, { size: 4 })).classes).to.deep.equal(['1', 'cat']);
    const error = await errorOf(data.tar(shard, { size: 4, classes: ['dog', 'cow'] }));
    expect(error!.code).to.equal('INVALID_DATA');
    expect(error!.message).to.contain('cat').and.to.contain('a.tar');
  });

  it('are indexed once; an index of another file is not used', async () => {
    const shard = put('a.tar', await tarOf(await samples(4)));
    const open = () => data.tar(shard, { size: 4 });
    await open();
    const index = `${shard}.index.json`;
    const kept = JSON.parse(readFileSync(index, 'utf8')) as { labels: string[] };
    kept.labels[0] = '2';
    writeFileSync(index, JSON.stringify(kept));
    expect((await read(await open()))[0]).to.deep.equal([0, 2]);
    utimesSync(shard, new Date(), new Date(Date.now() - 5000));
    expect(await read(await open())).to.deep.equal(expected(0, 4));
    for (const broken of ['', '{', 'null', '[]', '{"format":1}', '{"format":1,"bytes":"x"}']) {
      writeFileSync(index, broken);
      expect(await read(await open())).to.deep.equal(expected(0, 4));
    }
    const far = { ...kept, offsets: [0, 0, 0, 1e15], ...stateOf(shard), format: 1 };
    writeFileSync(index, JSON.stringify(far));
    expect(await read(await open())).to.deep.equal(expected(0, 4));
  });

  it('need no folder that can be written', async function () {
    if (process.getuid?.() === 0) {
      // Root writes everywhere; a folder in the index's place keeps it from being written.
      const shard = put('a.tar', await tarOf(await samples(4)));
      mkdirSync(`${shard}.index.json`);
      expect(await read(await data.tar(shard, { size: 4 }))).to.deep.equal(expected(0, 4));
      return;
    }
    const shard = put('a.tar', await tarOf(await samples(4)));
    chmodSync(folder, 0o555);
    expect(await read(await data.tar(shard, { size: 4 }))).to.deep.equal(expected(0, 4));
    expect(existsSync(`${shard}.index.json`)).to.equal(false);
  });

  it('of GNU tar and of pax hold long names and names in any script', async () => {
    const long = 'n'.repeat(120);
    const deep = join(folder, 'in', 'd'.repeat(90), 'e'.repeat(90));
    mkdirSync(deep, { recursive: true });
    for (const [i, key] of [long, 'größe', 'плоть'].entries()) {
      writeFileSync(join(deep, `${key}.png`), await plain(10 * i));
      writeFileSync(join(deep, `${key}.cls`), String(i));
    }
    for (const format of ['gnu', 'pax', 'posix']) {
      const shard = join(folder, `${format}.tar`);
      execFileSync('tar', ['--sort=name', `--format=${format}`, '-cf', shard, 'in'], {
        cwd: folder,
      });
      const set = await data.tar(shard, { size: 4 });
      const found = (await read(set)).map(([grey, label]) => [grey, label]).sort();
      expect(found, format).to.deep.equal([0, 1, 2].map((i) => [10 * i, i]));
      const names = [0, 1, 2].map((i) => set.nameOf(i));
      expect(names.some((name) => name.endsWith(`/${long}.png`))).to.equal(true);
      expect(names.some((name) => name.endsWith('/größe.png'))).to.equal(true);
    }
    const own = put(
      'own.tar',
      await tarOf({ [`${long}ß.png`]: await plain(30), [`${long}ß.cls`]: '1' }),
    );
    expect(
      execFileSync('tar', ['-tf', own, '--quoting-style=literal'], { encoding: 'utf8' }),
    ).to.equal(`${long}ß.png\n${long}ß.cls\n`);
    expect(await read(await data.tar(own, { size: 4 }))).to.deep.equal([[30, 1]]);
  });

  it('of more than 4 GiB are read like others', async () => {
    const shard = join(folder, 'large.tar');
    const size = 4.5 * 2 ** 30;
    const head = (await tarOf({ 'big.bin': '' })).subarray(0, 512);
    head.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    const file = openSync(shard, 'w');
    writeSync(file, withType(head, 0, '0'));
    const tail = await tarOf(await samples(3));
    writeSync(file, tail, 0, tail.length, 512 + size);
    closeSync(file);
    expect(statSync(shard).size).to.be.above(2 ** 32);
    const set = await data.tar(shard, { size: 4, onError: 'skip' });
    expect([...set.broken.values()]).to.deep.equal(['the sample has no image']);
    expect(await read(set)).to.deep.equal(expected(0, 3));
  });

  describe('that are hostile or damaged', () => {
    const both = async (shard: string, named: string): Promise<data.ImageSet> => {
      const error = await errorOf(data.tar(shard, { size: 4 }));
      expect(error?.code).to.equal('INVALID_DATA');
      expect(error!.message).to.contain(named);
      expect(error!.remedy).to.be.a('string');
      return data.tar(shard, { size: 4, onError: 'skip' });
    };

    it('cut in the middle: an error, or the samples before', async () => {
      const whole = await tarOf(await samples(4));
      const second = whole.indexOf('0002.png');
      for (const [cut, left] of [
        [second + 100, 2],
        [second + 512 + 20, 2],
        [whole.indexOf('0003.cls') + 5, 3],
      ] as const) {
        const shard = put(`cut-${cut}.tar`, whole.subarray(0, cut));
        const set = await both(shard, 'ends');
        expect(await read(set)).to.deep.equal(expected(0, left));
        expect([...set.broken.keys()]).to.include(shard);
        expect(existsSync(`${shard}.index.json`)).to.equal(false);
      }
    });

    it('absolute paths, paths with .. and links: an error, or counted and left out', async () => {
      for (const name of ['/etc/x.png', '../x.png', 'a/../../x.png', 'C:\\x.png', '\\x.png']) {
        const shard = put('a.tar', await tarOf({ [name]: await plain(1), ...(await samples(2)) }));
        const set = await both(shard, 'path');
        expect(await read(set), name).to.deep.equal(expected(0, 2));
        expect([...set.broken.keys()].some((key) => key.includes(name))).to.equal(true);
      }
      for (const type of ['1', '2', '3', '4', '6']) {
        const shard = put(
          'a.tar',
          withType(await tarOf({ 'x.png': '', ...(await samples(2)) }), 0, type),
        );
        const set = await both(shard, 'no file');
        expect(await read(set)).to.deep.equal(expected(0, 2));
        expect(set.broken.size).to.equal(1);
      }
    });

    it('headers that are damaged, sizes that no file has, what is no tar file', async () => {
      const whole = await tarOf(await samples(3));
      const header = Buffer.from(whole);
      header[whole.indexOf('0001.png') + 3]! ^= 1;
      expect(await read(await both(put('h.tar', header), 'damaged'))).to.deep.equal(expected(0, 1));
      for (const size of ['77777777777\0', '\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff']) {
        const far = Buffer.from(whole);
        far.write(size, whole.indexOf('0001.png') + 124, 'latin1');
        const shard = put('s.tar', withType(far, whole.indexOf('0001.png'), '0'));
        expect(await read(await both(shard, 's.tar'))).to.deep.equal(expected(0, 1));
      }
      for (const nothing of [Buffer.from('no tar file'), Buffer.alloc(4096, 7), Buffer.alloc(0)]) {
        const shard = put('n.tar', nothing);
        expect(await codeOf(data.tar(shard, { size: 4 }))).to.equal('INVALID_DATA');
        expect(await codeOf(data.tar(shard, { size: 4, onError: 'skip' }))).to.equal(
          'INVALID_DATA',
        );
      }
      expect(await codeOf(data.tar(join(folder, 'none.tar'), { size: 4 }))).to.equal(
        'INVALID_DATA',
      );
    });

    it('bytes at random: an error or samples, and no other failure', async () => {
      const whole = await tarOf(await samples(3));
      let state = 1;
      const random = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      for (let round = 0; round < 150; round++) {
        const bytes = Buffer.from(whole);
        for (let i = 0; i < 3; i++)
          bytes[512 * random(bytes.length / 512) + random(300)] = random(256);
        const members: TarMember[] = [];
        try {
          const readAt = async (at: number, n: number) => bytes.subarray(at, at + n);
          for await (const member of tarMembers('r.tar', bytes.length, readAt))
            members.push(member);
        } catch (error) {
          expect((error as { code?: string }).code).to.equal('INVALID_FORMAT');
        }
        for (const { offset, size } of members) expect(offset + size).to.be.at.most(bytes.length);
      }
    });

    it('samples without image or class, images that are none', async () => {
      const shard = put(
        'a.tar',
        await tarOf({
          'a.cls': '1',
          'b.png': await plain(0),
          'c.png': 'no image',
          'c.cls': '0',
          'd.png': '',
          'd.cls': '0',
          'e.png': await plain(40),
          'e.cls': '1',
        }),
      );
      const set = await both(shard, 'sample');
      expect(await read(set)).to.deep.equal([
        [0, -1],
        [0, -1],
        [40, 1],
      ]);
      expect([...set.broken.keys()].map((name) => name.slice(shard.length))).to.have.members([
        ': a',
        ': b.png',
        ': c.png',
        ': d.png',
      ]);
    });

    it('shards that become shorter while they are read', async () => {
      const shard = put('a.tar', await tarOf(await samples(4)));
      const set = await data.tar(shard, { size: 4 });
      truncateSync(shard, 1000);
      const error = await errorOf(read(set, [3]));
      expect(error!.code).to.equal('INVALID_DATA');
      expect(error!.message).to.contain(shard);
    });
  });

  describe('behind HTTP', () => {
    const http = { timeout: 200, backoff: 5, retries: 3 };
    const served = async <T>(
      handler: Handler,
      work: (address: string, requests: string[]) => Promise<T>,
    ) => {
      const server = await serve(handler);
      try {
        return await work(server.address, server.requests);
      } finally {
        await server.close();
      }
    };

    it('are read by ranges, in any order, with an index where there is one', async () => {
      const shard = await tarOf(await samples(6));
      const files = { '/s-0.tar': shard, '/s-1.tar': await tarOf(await samples(2, 6)) };
      await served(fileHandler(files), async (address, requests) => {
        const set = await data.tar(`${address}/s-{0..1}.tar`, { size: 4, http });
        expect(await read(set)).to.deep.equal(expected(0, 8));
        requests.length = 0;
        await read(set, [4]);
        const at = shard.indexOf('0004.png') + 512;
        const end = at + (await plain(40)).length - 1;
        expect(requests).to.deep.equal([`GET /s-0.tar bytes=${at}-${end}`]);
      });
      const local = put('s-0.tar', shard);
      await data.tar(local, { size: 4 });
      const index = readFileSync(`${local}.index.json`);
      const manifest = Buffer.from('{"classes":["a","b","c"]}');
      const more = {
        '/s.tar?v=1': shard,
        '/s.tar.index.json?v=1': index,
        '/manifest.json': manifest,
      };
      await served(fileHandler(more), async (address, requests) => {
        const set = await data.tar(`${address}/s.tar?v=1`, { size: 4, http });
        expect(set.classes).to.deep.equal(['a', 'b', 'c']);
        expect(requests).to.have.lengthOf(3);
        expect(await read(set)).to.deep.equal(expected(0, 6));
      });
    });

    it('that resets, stalls, sends short or wrong ranges, or is busy: tried again', async () => {
      const large = await tarOf({ 'n.bin': Buffer.alloc(300_000, 1), ...(await samples(5)) });
      const faults: Record<string, (turn: number) => Handler | undefined> = {
        reset: (turn) => (turn % 2 ? (request) => void request.socket.destroy() : undefined),
        'reset within': (turn) =>
          turn % 2
            ? (request, response) => {
                const { body, head } = partOf(large, request);
                response.writeHead(206, head as Record<string, string>);
                response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy());
              }
            : undefined,
        'stall before': (turn) => (turn % 3 === 1 ? () => undefined : undefined),
        'stall within': (turn) =>
          turn % 3 === 1
            ? (request, response) => {
                const { body, head } = partOf(large, request);
                response.writeHead(206, head as Record<string, string>);
                response.write(body.subarray(0, body.length >> 1));
              }
            : undefined,
        'short ranges': () => (request, response) => {
          const { body } = partOf(large, request);
          const some = body.subarray(0, Math.max(1, Math.min(body.length, 50_000)));
          const from = /\d+/.exec(request.headers.range!)![0];
          const range = `bytes ${from}-${Number(from) + some.length - 1}/${large.length}`;
          response.writeHead(206, { 'content-range': range }).end(some);
        },
        'wrong range': (turn) =>
          turn % 2
            ? (_, response) => {
                response
                  .writeHead(206, { 'content-range': `bytes 7-9/${large.length}` })
                  .end('abc');
              }
            : undefined,
        busy: (turn) =>
          turn % 2
            ? (_, response) => void response.writeHead(503, { 'retry-after': '0' }).end()
            : undefined,
      };
      for (const [name, fault] of Object.entries(faults)) {
        let turn = 0;
        const handler: Handler = (request, response) => {
          const asked = request.headers.range !== undefined;
          const wrong = asked ? fault(++turn) : undefined;
          (wrong ?? fileHandler({ '/l.tar': large }))(request, response);
        };
        await served(handler, async (address) => {
          const set = await data.tar(`${address}/l.tar`, {
            ...{ size: 4, http, onError: 'skip' },
            // One at a time, or the faults of a turn could all meet one sample.
            workers: 1,
          });
          expect(await read(set), name).to.deep.equal(expected(0, 5));
        });
      }
    });

    it('that never recovers: an error that says why, after the attempts asked for', async () => {
      const shard = await tarOf(await samples(2));
      const reasons: [Handler, RegExp, number][] = [
        [(request) => void request.socket.destroy(), /after 4 attempts/, 4],
        [() => undefined, /no byte within 200 ms, after 4 attempts/, 4],
        [(_, response) => void response.writeHead(500).end(), /answers 500, after 4/, 4],
        [(_, response) => void response.writeHead(404).end(), /answers 404/, 1],
        [(_, response) => void response.writeHead(200).end(shard), /parts of a file/, 1],
        [(_, response) => void response.writeHead(206).end('x'), /which part/, 4],
      ];
      for (const [handler, reason, attempts] of reasons)
        await served(handler, async (address, requests) => {
          const error = await errorOf(data.tar(`${address}/a.tar`, { size: 4, http }));
          expect(error!.code).to.equal('INVALID_DATA');
          expect(error!.message).to.match(reason).and.to.contain(address);
          expect(requests).to.have.lengthOf(attempts);
        });
      const gone = await serve(() => undefined);
      await gone.close();
      const error = await errorOf(data.tar(`${gone.address}/a.tar`, { size: 4, http }));
      expect(error!.message).to.match(/ECONNREFUSED.*after 4 attempts/);
    });

    it('that drips single bytes is given up; a file that changes is refused', async () => {
      const shard = await tarOf(await samples(3));
      let healthy = true;
      let current = shard;
      const handler: Handler = (request, response) => {
        if (healthy || request.headers.range === undefined)
          return fileHandler({ '/a.tar': current })(request, response);
        const from = Number(/\d+/.exec(request.headers.range)![0]);
        const range = `bytes ${from}-${from}/${shard.length}`;
        response.writeHead(206, { 'content-range': range }).end(shard.subarray(from, from + 1));
      };
      await served(handler, async (address, requests) => {
        const set = await data.tar(`${address}/a.tar`, { size: 4, http });
        healthy = false;
        requests.length = 0;
        expect((await errorOf(read(set, [1])))!.message).to.match(/1 of \d+ bytes, after 4/);
        expect(requests).to.have.lengthOf(4);
        healthy = true;
        current = Buffer.concat([shard, Buffer.alloc(512)]);
        expect((await errorOf(read(set, [1])))!.message).to.match(/had \d+ bytes and now has/);
      });
    });

    it('ends at an abort', async () => {
      await served(
        () => undefined,
        async (address) => {
          const stop = new AbortController();
          const opening = data.tar(`${address}/a.tar`, {
            size: 4,
            http: { timeout: 60_000 },
            signal: stop.signal,
          });
          setTimeout(() => stop.abort('enough'), 20);
          const error = await errorOf(opening);
          expect(error!.code).to.equal('CANCELLED');
          expect(error!.cause).to.equal('enough');
        },
      );
    });

    it('sends the headers asked for, and refuses options that make no sense', async () => {
      const shard = await tarOf(await samples(1));
      const handler: Handler = (request, response) =>
        request.headers.authorization === 'Bearer x'
          ? fileHandler({ '/a.tar': shard })(request, response)
          : void response.writeHead(403).end();
      await served(handler, async (address) => {
        const open = (headers: Record<string, string>) =>
          data.tar(`${address}/a.tar`, { size: 4, http: { ...http, headers } });
        expect((await open({ authorization: 'Bearer x' })).length).to.equal(1);
        expect((await errorOf(open({})))!.message).to.contain('403');
      });
      for (const wrong of [{ retries: -1 }, { timeout: 0 }, { backoff: 0.5 }, { tries: 1 }])
        expect(await codeOf(data.tar('http://127.0.0.1:9/a', { size: 4, http: wrong }))).to.equal(
          'INVALID_ARGUMENT',
        );
      expect(await codeOf(data.tar([], { size: 4 }))).to.equal('INVALID_ARGUMENT');
    });
  });
});

function stateOf(path: string): { bytes: number; modified: number } {
  const { size, mtimeMs } = statSync(path);
  return { bytes: size, modified: Math.floor(mtimeMs) };
}
