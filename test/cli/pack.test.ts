import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { temporaryFolder } from '../support/digits.js';
import { jsonLine, startStriate, striate } from '../support/striate.js';

async function images(folder: string, count: number, side: number): Promise<void> {
  for (const [c, name] of ['<b>&"', 'cat'].entries()) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < count; i++) {
      const pixels = Uint8Array.from(
        { length: side * side * 3 },
        (_, at) => (at * (i + 3) + 90 * c) % 251,
      );
      await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
        .jpeg()
        .toFile(join(folder, name, `${i}.jpg`));
    }
  }
}

const sums = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.tar') || name === 'manifest.json')
    .map(
      (name) =>
        `${name} ${createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex')}`,
    );

const bytesIn = (folder: string): number =>
  existsSync(folder)
    ? readdirSync(folder).reduce(
        (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      )
    : 0;

describe('cli: pack and data check', () => {
  const folder = temporaryFolder();

  it('packs train and val, trains on the shards, checks them and draws a sheet', async () => {
    await images(join(folder(), 'set', 'train'), 6, 40);
    await images(join(folder(), 'set', 'val'), 2, 40);
    const packed = await striate(
      ['pack', 'set', '--out', 'shards', '--size', '32', '--shard-size', '10000', '--json'],
      { cwd: folder() },
    );
    expect(packed.code, packed.stderr).to.equal(0);
    const { parts, interrupted } = jsonLine(packed) as {
      parts: { part: string; images: number; shards: number }[];
      interrupted: boolean;
    };
    expect(interrupted).to.equal(false);
    expect(parts.map(({ part, images: n }) => [part, n])).to.deep.equal([
      ['train', 12],
      ['val', 4],
    ]);
    const trained = await striate(
      [
        'train',
        'INPUT 32x32x3 -> CONV 3x3 4 -> RELU -> POOL -> FC 2',
        '--data',
        'shards',
        '--max-steps',
        '2',
        '--batch',
        '4',
        '--out',
        'x.safetensors',
        '--json',
      ],
      { cwd: folder() },
    );
    expect(trained.code, trained.stderr).to.equal(0);
    expect(jsonLine(trained).steps).to.equal(2);
    const checked = await striate(['data', 'check', 'shards', '--sheet', 'sheet.png', '--json'], {
      cwd: folder(),
    });
    expect(checked.code, checked.stderr).to.equal(0);
    const report = jsonLine(checked) as {
      parts: { images: number; broken: unknown[]; classes: unknown[] }[];
    };
    expect(report.parts.map(({ images: n, broken }) => [n, broken.length])).to.deep.equal([
      [12, 0],
      [4, 0],
    ]);
    expect(report.parts[0]!.classes).to.deep.equal([
      { name: '<b>&"', count: 6 },
      { name: 'cat', count: 6 },
    ]);
    const { width, height } = await sharp(join(folder(), 'sheet.png')).metadata();
    expect(width).to.be.above(500);
    expect(height).to.be.above(100);

    const shard = join(folder(), 'shards', 'train', 'shard-000000.tar');
    const bytes = readFileSync(shard);
    bytes[700]! ^= 1;
    writeFileSync(shard, bytes);
    const changed = await striate(['data', 'check', 'shards/train'], { cwd: folder() });
    expect(changed.code).to.equal(1);
    expect(changed.stdout)
      .to.contain('shard-000000.tar: has another checksum')
      .and.to.contain('cat');
  });

  it('names broken images: refused, or left out as asked', async () => {
    await images(join(folder(), 'some'), 2, 20);
    writeFileSync(join(folder(), 'some', 'cat', 'bad.jpg'), 'x');
    const refused = await striate(['pack', 'some', '--out', 'a'], { cwd: folder() });
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.contain('bad.jpg').and.to.contain('INVALID_DATA');
    const left = await striate(['pack', 'some', '--out', 'b', '--on-error', 'skip', '--json'], {
      cwd: folder(),
    });
    expect(left.code, left.stderr).to.equal(0);
    const { parts } = jsonLine(left) as { parts: { images: number; broken: { name: string }[] }[] };
    expect(parts[0]!.images).to.equal(4);
    expect(parts[0]!.broken[0]!.name).to.contain('bad.jpg');
    const checked = await striate(['data', 'check', 'some', '--json'], { cwd: folder() });
    expect(checked.code).to.equal(1);
    expect(
      (jsonLine(checked) as { parts: { broken: unknown[] }[] }).parts[0]!.broken,
    ).to.have.lengthOf(1);
  });

  it('goes on after SIGKILL, SIGTERM and Ctrl-C to the same bytes', async () => {
    await images(join(folder(), 'many'), 40, 300);
    const args = (out: string): string[] => [
      'pack',
      'many',
      '--out',
      out,
      '--size',
      '200',
      '--shard-size',
      '200000',
      '--workers',
      '1',
      '--json',
    ];
    const whole = await striate(args('whole'), { cwd: folder() });
    expect(whole.code, whole.stderr).to.equal(0);
    let codes = 0;
    for (const [signal, delay] of [
      ['SIGKILL', 30],
      ['SIGKILL', 120],
      ['SIGKILL', 200],
      ['SIGTERM', 60],
      ['SIGINT', 90],
    ] as const) {
      const before = bytesIn(join(folder(), 'parts'));
      const running = startStriate(args('parts'), { cwd: folder() });
      // From the first byte that it writes on.
      while (running.child.exitCode === null && bytesIn(join(folder(), 'parts')) === before)
        await sleep(2);
      await sleep(delay);
      running.child.kill(signal);
      const ended = await running.ended;
      if (signal === 'SIGKILL' || ended.code === 0) continue;
      codes++;
      expect(ended.code).to.equal(signal === 'SIGINT' ? 130 : 143);
      expect(jsonLine(ended).interrupted).to.equal(true);
    }
    const last = await striate(args('parts'), { cwd: folder() });
    expect(last.code, last.stderr).to.equal(0);
    expect(sums(join(folder(), 'parts'))).to.deep.equal(sums(join(folder(), 'whole')));
    expect(codes).to.be.within(0, 2);
  });

  it('help shows examples, and wrong usage ends with 2', async () => {
    for (const command of [['pack'], ['data', 'check']]) {
      const help = await striate([...command, '--help']);
      expect(help.code).to.equal(0);
      expect(help.stdout).to.contain('Examples:').and.to.contain('--json');
    }
    for (const wrong of [
      ['pack', 'x'],
      ['pack', 'x', '--out', 'y', '--format', 'png'],
      ['data', 'check'],
      ['data'],
    ])
      expect((await striate(wrong)).code, wrong.join(' ')).to.equal(2);
    const missing = await striate(['pack', '/none', '--out', join(folder(), 'z'), '--json']);
    expect(missing.code).to.equal(1);
    expect((jsonLine(missing).error as { code: string }).code).to.equal('INVALID_DATA');
  });
});
