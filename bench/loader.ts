/**
 * How fast images are loaded: `npm run bench -- loader`. JPEG files are read, decoded, cut at random, resized
 * to 224 and flipped, by Striate, by sharp alone, and by torchvision's DataLoader, in turn; then how much
 * memory a long epoch takes.
 */
import { Command } from 'commander';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  appendFileSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import * as data from '../lib/data/index.js';
import { wholeImage } from '../lib/data/images/transforms.js';
import { Stream } from '../lib/initializers/philox.js';
import { packageRoot, version } from '../scripts/paths.js';
import { python } from './peer.js';
import { spread, type Spread } from './statistics.js';

interface LoaderOptions {
  images?: string;
  generate: number;
  rounds: number;
  batch: number;
  workers: number;
  size: number;
  memory: boolean;
  json?: true;
  record?: true;
}

/** What a turn took. `cpu`: seconds of all threads and processes. */
interface Turn {
  seconds: number;
  cpu: number;
  images: number;
}

const peerKinds = ['uint8', 'float32'] as const;
type Contender = 'striate' | 'sharp' | (typeof peerKinds)[number];

export async function main(args: readonly string[]): Promise<void> {
  const count = (text: string): number => Number(text);
  const options = new Command('bench loader')
    .option('--images <folder>', 'photographs, a folder for each class (default: generated)')
    .option('--generate <n>', 'images to generate', count, 400)
    .option('--rounds <n>', 'rounds', count, 9)
    .option('--batch <n>', 'images a batch', count, 64)
    .option('--workers <n>', 'of each', count, 2)
    .option('--size <pixels>', 'of the random resized crop', count, 224)
    .option('--no-memory', 'leave out the resident memory of 10,000 and 100,000 images')
    .option('--json', 'one line of JSON')
    .option('--record', 'append the figures to bench/RESULTS.md')
    .parse(args, { from: 'user' })
    .opts<LoaderOptions>();
  const folder = mkdtempSync(join(tmpdir(), 'striate-loader-'));
  try {
    const images = options.images ?? join(folder, 'images');
    if (options.images === undefined) await generate(images, options.generate);
    const report = {
      ...describeImages(images, options),
      ...(await speeds(images, options)),
      ...(options.memory ? { memory: await memory(folder) } : {}),
    };
    const text = print(report, options);
    console.log(options.json ? JSON.stringify(report) : text);
    if (options.record) {
      const date = new Date().toISOString().slice(0, 10);
      const entry = `\n## Loader, ${date}\n\n\`\`\`\n${text}\n\`\`\`\n`;
      appendFileSync(join(packageRoot, 'bench', 'RESULTS.md'), entry);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Waves of five sizes and a little noise: 500x375 or upright, about 110 kB at quality 95, as ImageNet's. */
async function generate(folder: string, count: number): Promise<void> {
  const draw = new Stream(0, 'bench/images');
  for (let i = 0; i < count; ++i) {
    const [width, height] = i % 3 === 0 ? [375, 500] : [500, 375];
    const sum = new Float32Array(width * height * 3).fill(128);
    for (const [across, strength] of [
      [4, 90],
      [12, 50],
      [40, 30],
      [125, 16],
      [250, 8],
    ] as const) {
      const down = Math.round((across * height) / width) + 1;
      const small = Uint8Array.from({ length: across * down * 3 }, () => draw.word() >>> 24);
      const large = await sharp(small, { raw: { width: across, height: down, channels: 3 } })
        .resize(width, height, { fit: 'fill', kernel: 'cubic' })
        .raw()
        .toBuffer();
      for (let at = 0; at < sum.length; ++at) sum[at]! += ((large[at]! - 128) / 128) * strength;
    }
    let noise = i + 1;
    const bytes = Uint8ClampedArray.from(sum, (value) => {
      noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0;
      return value + (noise / 2 ** 32 - 0.5) * 6;
    });
    const place = join(folder, `class${i % 10}`);
    mkdirSync(place, { recursive: true });
    await sharp(Buffer.from(bytes.buffer), { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 95 })
      .toFile(join(place, `${i}.jpg`));
  }
}

function describeImages(folder: string, { images }: LoaderOptions) {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .filter((found) => found.isFile());
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return {
    source: images === undefined ? 'generated, 500x375' : `photographs in a folder`,
    count: files.length,
    meanBytes: Math.round(bytes / files.length),
  };
}

async function speeds(images: string, options: LoaderOptions) {
  const peer = openPeer(images, options);
  const configuration = peer === undefined ? null : await peer.configuration;
  const set = await data.imageFolder(images, {
    size: options.size,
    workers: options.workers,
    transforms: [data.randomResizedCrop(options.size), data.randomHorizontalFlip()],
  });
  const contenders: Record<string, (round: number) => Promise<Turn>> = {
    striate: (round) => timed(() => ownEpoch(set, options, round)),
    sharp: (round) => timed(() => sharpEpoch(set, options, round)),
  };
  if (peer !== undefined)
    for (const kind of peerKinds) contenders[kind] = () => peer.ask<Turn>({ do: 'epoch', kind });
  const turns = {} as Record<Contender, Turn[]>;
  const names = Object.keys(contenders) as Contender[];
  for (const name of names) {
    // Warm-up: files into memory, workers started.
    await contenders[name]!(0);
    turns[name] = [];
  }
  for (let round = 1; round <= options.rounds; ++round) {
    // Another one begins each time.
    const order = names.map((_, i) => names[(i + round) % names.length]!);
    for (const name of order) {
      await sleep(200);
      turns[name].push(await contenders[name]!(round));
    }
    const last = names.map((name) => `${name} ${rate(turns[name].at(-1)!).toFixed(0)}`);
    process.stderr.write(`round ${round} of ${options.rounds}: ${last.join(', ')} images/s\n`);
  }
  peer?.close();
  const ratioTo = (others: readonly Contender[], of: (turn: Turn) => number): Spread =>
    spread(
      turns.striate.map(
        (turn, i) => of(turn) / Math.max(...others.map((name) => of(turns[name][i]!))),
      ),
    );
  const rivals = peerKinds.filter((kind) => kind in turns);
  const cpuRate = ({ images: n, cpu }: Turn): number => n / cpu;
  return {
    imagesPerSecond: Object.fromEntries(names.map((name) => [name, spread(turns[name].map(rate))])),
    cpuMilliseconds: Object.fromEntries(
      names.map((name) => [
        name,
        spread(turns[name].map(({ cpu, images: n }) => (1000 * cpu) / n)),
      ]),
    ),
    toSharp: ratioTo(['sharp'], rate),
    toSharpByCpu: ratioTo(['sharp'], cpuRate),
    peer: configuration,
    toPeer: Object.fromEntries(rivals.map((kind) => [kind, ratioTo([kind], rate)])),
    toPeerByCpu: Object.fromEntries(rivals.map((kind) => [kind, ratioTo([kind], cpuRate)])),
  };
}

const rate = ({ images, seconds }: Turn): number => images / seconds;

async function timed(work: () => Promise<number>): Promise<Turn> {
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  const images = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - begin) / 1000, cpu: (user + system) / 1e6, images };
}

async function ownEpoch(
  set: data.Dataset,
  { batch }: LoaderOptions,
  seed: number,
): Promise<number> {
  let count = 0;
  for await (const { n } of data.batches(set, { batch, seed, prefetch: 2 })) count += n;
  return count;
}

/** The same files, parts and sizes, as many at a time, through sharp; each ends as a buffer of its own. */
async function sharpEpoch(
  set: data.ImageFolder,
  { size, workers }: LoaderOptions,
  seed: number,
): Promise<number> {
  const crop = data.randomResizedCrop(size);
  const flip = data.randomHorizontalFlip();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < set.length) {
      const index = next++;
      const bytes = await readFile(set.pathOf(index));
      const draw = new Stream(seed, `bench/${index}`);
      const { width, height } = sizes.get(index) ?? (await sharp(bytes).metadata());
      sizes.set(index, { width, height });
      const view = flip.apply(crop.apply(wholeImage(width, height), draw), draw);
      const { left, top, width: w, height: h } = view.region;
      const part = { left: Math.round(left), top: Math.round(top), width: w, height: h };
      part.left = Math.min(part.left, width - w);
      part.top = Math.min(part.top, height - h);
      await sharp(bytes)
        .extract(part)
        .resize(size, size, { fit: 'fill', kernel: 'linear' })
        .flop(view.flip)
        .raw()
        .toBuffer();
    }
  };
  await Promise.all(Array.from({ length: workers }, lane));
  return set.length;
}

/** Known after the warm-up, so that sharp alone is not charged for asking. */
const sizes = new Map<number, { width: number; height: number }>();

function openPeer(images: string, { batch, workers, size }: LoaderOptions) {
  if (spawnSync(python, ['-c', 'import torchvision'], { stdio: 'ignore' }).status !== 0) {
    process.stderr.write(
      `torchvision was not found by ${python}: it is left out. ` +
        'Set STRIATE_PEER_PYTHON to a Python that has the package torchvision.\n',
    );
    return undefined;
  }
  const script = fileURLToPath(new URL('loader_peer.py', import.meta.url));
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async <Answer>(request: object): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await answers.next();
    if (answer.done === true) throw new Error('the torchvision process ended early');
    return JSON.parse(answer.value) as Answer;
  };
  const configuration = ask<Record<string, unknown>>({ do: 'open', images, batch, workers, size });
  return { ask, configuration, close: () => child.stdin.end() };
}

/** Resident megabytes at the end of an epoch over so many small images, each in a process of its own. */
async function memory(folder: string): Promise<Record<string, number>> {
  const place = join(folder, 'small');
  mkdirSync(place);
  const file = join(place, 'one.jpg');
  await sharp(Buffer.alloc(96 * 72 * 3, 90), { raw: { width: 96, height: 72, channels: 3 } })
    .jpeg()
    .toFile(file);
  const found: Record<string, number> = {};
  for (const length of [10_000, 100_000]) {
    const set = join(folder, `set-${length}`);
    for (let i = 0; i < length; ++i) {
      const name = join(set, `class${i % 100}`);
      if (i < 100) mkdirSync(name, { recursive: true });
      // A file takes some ten thousand links.
      const source = join(place, `${Math.floor(i / 10_000)}.jpg`);
      if (i % 10_000 === 0) copyFileSync(file, source);
      linkSync(source, join(name, `image_of_the_set_${i}.jpg`));
    }
    const script = fileURLToPath(new URL('loader-memory.ts', import.meta.url));
    const output = execFileSync(process.execPath, ['--import=tsx', '--expose-gc', script, set], {
      encoding: 'utf8',
      cwd: packageRoot,
    });
    found[length] = Number(output);
    process.stderr.write(`${length} images: ${found[length].toFixed(1)} MB resident\n`);
  }
  return found;
}

type Report = Awaited<ReturnType<typeof speeds>> &
  ReturnType<typeof describeImages> & { memory?: Record<string, number> };

function print(report: Report, { batch, workers, size, rounds }: LoaderOptions): string {
  const show = ({ median, lowerQuartile, upperQuartile }: Spread, digits: number): string =>
    `${median.toFixed(digits)} (quartiles ${lowerQuartile.toFixed(digits)} to ${upperQuartile.toFixed(digits)})`;
  const { peer, memory: resident } = report;
  const titles: Record<string, string> = {
    striate: 'striate',
    sharp: 'sharp alone',
    uint8: 'torchvision, bytes',
    float32: 'torchvision, float32',
  };
  const line = (title: string, text: string): string => `${title.padEnd(32)} ${text}`;
  return [
    `${report.count} JPEG files, ${report.source}, ${report.meanBytes} bytes each; random resized crop to ${size}`,
    `batch ${batch}, ${workers} workers each, ${rounds} alternating rounds`,
    `${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, sharp ${sharp.versions.sharp ?? ''}, striate ${version} (${commit()})`,
    ...Object.entries(report.imagesPerSecond).map(([name, s]) =>
      line(titles[name]!, `${show(s, 0)} images/s`),
    ),
    ...Object.entries(report.cpuMilliseconds).map(([name, s]) =>
      line(`${titles[name]!}, processor`, `${show(s, 2)} ms an image`),
    ),
    line('ratio to sharp alone', show(report.toSharp, 3)),
    line('the same by processor time', show(report.toSharpByCpu, 3)),
    ...(peer === null
      ? [line('torchvision', 'not found: left out')]
      : Object.entries(report.toPeer).flatMap(([kind, s]) => [
          line(`ratio to ${titles[kind]!}`, show(s, 3)),
          line('the same by processor time', show(report.toPeerByCpu[kind]!, 3)),
        ])),
    ...(peer === null ? [] : [line('peer', JSON.stringify(peer))]),
    ...(resident === undefined
      ? []
      : [
          line(
            'resident memory',
            `${resident[10_000]!.toFixed(1)} MB after 10,000 images, ${resident[100_000]!.toFixed(1)} MB after 100,000`,
          ),
        ]),
  ].join('\n');
}

function commit(): string {
  const run = (...args: string[]): string =>
    execFileSync('git', args, { cwd: packageRoot, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const changed = run('status', '--porcelain', '--untracked-files=no') !== '';
    return run('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
  } catch {
    return 'unknown';
  }
}
