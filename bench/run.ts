/**
 * Training throughput beside PyTorch's: turns of both alternate, the ratio is taken in every round, and
 * the median of the rounds counts. Both train the same network from the same parameters on the same
 * batches, and their losses must agree.
 *
 *   npm run bench -- --net lenet --peer pytorch [--json] [--record]
 */
import { Command, Option } from 'commander';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { count } from '../lib/cli/options.js';
import {
  batches,
  data,
  device as openDevice,
  models,
  sgd,
  softmaxCrossEntropy,
  take,
  type Dataset,
  type Trainer,
} from '../lib/index.js';
import { packageRoot, version } from '../scripts/paths.js';
import { hasPyTorch, Peer, python } from './peer.js';
import { spread, type Spread } from './statistics.js';

interface BenchOptions {
  net: 'lenet';
  peer: 'pytorch' | 'none';
  rounds: number;
  steps: number;
  batch: number;
  threads: number;
  json?: true;
  record?: true;
}

const layouts = ['contiguous', 'channels_last'] as const;
type Layout = (typeof layouts)[number];

/** Steps whose losses are compared; float32 sums in another order drift apart after these. */
const compared = 10;
const agreement = 1e-3;
/** Pause between turns: idle threads of OpenMP spin for 200 ms. */
const pause = 300;

const optimizer = { learningRate: 0.01, momentum: 0.9, weightDecay: 5e-4 };

interface Round {
  /** Images a second. */
  striate: number;
  peer?: Record<Layout, number>;
  /** Striate over the peer's better layout. */
  ratio?: number;
}

interface Report {
  net: string;
  batch: number;
  threads: number;
  steps: number;
  version: string;
  commit: string;
  processor: string;
  instructionSet: string;
  rounds: Round[];
  imagesPerSecond: Spread;
  peer: PeerReport | null;
}

interface PeerReport {
  configuration: Record<string, unknown>;
  imagesPerSecond: Record<Layout, Spread>;
  ratio: Spread;
  /** Largest relative difference of the first losses. */
  lossDifference: number;
}

async function main(): Promise<void> {
  const options = new Command('bench')
    .addOption(new Option('--net <name>', 'network').choices(['lenet']).default('lenet'))
    .addOption(new Option('--peer <name>', 'rival').choices(['pytorch', 'none']).default('none'))
    .option('--rounds <n>', 'rounds', count, 7)
    .option('--steps <n>', 'steps a turn', count, 150)
    .option('--batch <n>', 'images a step', count, 64)
    .option('--threads <n>', 'threads of both', count, 2)
    .option('--json', 'one line of JSON')
    .option('--record', 'append the figures to bench/RESULTS.md')
    .parse()
    .opts<BenchOptions>();
  const report = await measure(options);
  console.log(options.json ? JSON.stringify(report) : print(report));
  if (options.record) appendFileSync(join(packageRoot, 'bench', 'RESULTS.md'), record(report));
}

async function measure(options: BenchOptions): Promise<Report> {
  const { batch, threads, steps, rounds: roundCount } = options;
  const set = take((await data.mnist()).train, batch * steps);
  await using device = await openDevice('cpu', { threads });
  await using trainer = await models[options.net]().trainer({
    device,
    batch,
    preprocess: { scale: 1 / 256 },
    loss: softmaxCrossEntropy(),
    optimizer: sgd({ ...optimizer, groups: [{ match: /\.b$/, learningRateScale: 2 }] }),
  });
  const peer = options.peer === 'pytorch' ? await openPeer(options, trainer, set) : undefined;
  try {
    const lossDifference = peer ? await compareLosses(peer.peer, trainer, set) : 0;
    await ownTurn(trainer, set); // warm-up of the very program that is measured
    const rounds: Round[] = [];
    for (let i = 0; i < roundCount; i++) {
      rounds.push(await round(trainer, set, peer?.peer, options));
      process.stderr.write(`round ${i + 1} of ${roundCount}: ${describeRound(rounds[i]!)}\n`);
    }
    return {
      net: options.net,
      batch,
      threads,
      steps,
      version,
      commit: commit(),
      processor: cpus()[0]?.model ?? 'unknown',
      instructionSet: device.instructionSet,
      rounds,
      imagesPerSecond: spread(rounds.map((r) => r.striate)),
      peer: peer ? peerReport(peer.configuration, rounds, lossDifference) : null,
    };
  } finally {
    peer?.peer.close();
  }
}

/** One turn of each; who begins changes nothing, since every turn is after a pause. */
async function round(
  trainer: Trainer,
  set: Dataset,
  peer: Peer | undefined,
  { batch, steps }: BenchOptions,
): Promise<Round> {
  await sleep(pause);
  const striate = await ownTurn(trainer, set);
  if (!peer) return { striate };
  const speeds = {} as Record<Layout, number>;
  for (const layout of layouts) {
    await sleep(pause);
    speeds[layout] = (batch * steps) / (await peer.steps(layout, steps)).seconds;
  }
  const ratio = striate / Math.max(...Object.values(speeds));
  return { striate, peer: speeds, ratio };
}

/** Images a second of one epoch over the set, through `fit()`. */
async function ownTurn(trainer: Trainer, set: Dataset): Promise<number> {
  const { epochs } = await trainer.fit(set, { epochs: 1, shuffle: false });
  return epochs[0]!.imagesPerSecond;
}

async function openPeer(
  options: BenchOptions,
  trainer: Trainer,
  set: Dataset,
): Promise<{ peer: Peer; configuration: Record<string, unknown> } | undefined> {
  if (!hasPyTorch()) {
    process.stderr.write(
      `PyTorch was not found by ${python}: only Striate is measured. ` +
        'Set STRIATE_PEER_PYTHON to a Python that has the package torch.\n',
    );
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), 'striate-bench-'));
  try {
    const peer = new Peer(options.threads);
    const configuration = await peer.open({
      net: options.net,
      batch: options.batch,
      threads: options.threads,
      layouts,
      ...optimizer,
      ...(await writeParameters(folder, trainer)),
      ...(await writeImages(folder, set)),
    });
    return { peer, configuration };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The trainer's parameters under PyTorch's names, one float32 array behind the other. */
async function writeParameters(folder: string, trainer: Trainer): Promise<object> {
  const weights = await trainer.weights();
  const manifest = [];
  const parts: Uint8Array[] = [];
  let begin = 0;
  for (const [name, { shape, data: values }] of weights) {
    const torchName = name.replace(/\.w$/, '.weight').replace(/\.b$/, '.bias');
    manifest.push({ name: torchName, shape, begin, count: values.length });
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    begin += values.length;
  }
  const parameters = join(folder, 'parameters');
  writeFileSync(parameters, Buffer.concat(parts));
  return { parameters, manifest };
}

/** All images as float32 pixels / 256, in the order in which both train on them. */
async function writeImages(folder: string, set: Dataset): Promise<object> {
  const indices = Uint32Array.from({ length: set.length }, (_, i) => i);
  const elements = set.shape.reduce((a, b) => a * b, 1);
  const x = new Uint8Array(set.length * elements);
  const target = new Int32Array(set.length);
  await set.read(indices, { x, target });
  const path = join(folder, 'images');
  writeFileSync(
    path,
    Float32Array.from(x, (value) => value / 256),
  );
  return { images: { path, shape: [set.length, ...set.shape] }, labels: Array.from(target) };
}

async function compareLosses(peer: Peer, trainer: Trainer, set: Dataset): Promise<number> {
  const own: number[] = [];
  for await (const batch of batches(set, { batch: trainer.batch, shuffle: false })) {
    own.push((await trainer.step(batch)).loss);
    if (own.length === compared) break;
  }
  let largest = 0;
  for (const layout of layouts) {
    const { losses } = await peer.steps(layout, compared);
    own.forEach((loss, i) => {
      largest = Math.max(largest, Math.abs(loss - losses[i]!) / losses[i]!);
    });
  }
  if (!(largest < agreement)) {
    throw new Error(`the losses differ by ${largest}: the two do not train the same network`);
  }
  return largest;
}

function peerReport(
  configuration: Record<string, unknown>,
  rounds: readonly Round[],
  lossDifference: number,
): PeerReport {
  const speeds = layouts.map((layout) => [layout, spread(rounds.map((r) => r.peer![layout]))]);
  return {
    configuration,
    imagesPerSecond: Object.fromEntries(speeds) as Record<Layout, Spread>,
    ratio: spread(rounds.map((r) => r.ratio!)),
    lossDifference,
  };
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

const whole = (value: number): string => value.toFixed(0);
const printSpread = ({ median, lowerQuartile, upperQuartile }: Spread, digits: number): string =>
  `${median.toFixed(digits)} (quartiles ${lowerQuartile.toFixed(digits)} to ${upperQuartile.toFixed(digits)})`;

function describeRound({ striate, peer, ratio }: Round): string {
  if (!peer) return `${whole(striate)} images/s`;
  const rivals = layouts.map((layout) => `PyTorch ${layout} ${whole(peer[layout])}`).join(', ');
  return `${whole(striate)} images/s, ${rivals}, ratio ${ratio!.toFixed(3)}`;
}

function print(report: Report): string {
  const { net, batch, threads, rounds, peer } = report;
  return [
    `${net}, batch ${batch}, ${threads} threads, ${rounds.length} rounds of ${report.steps} steps`,
    `${report.processor}, ${report.instructionSet}, striate ${report.version} (${report.commit})`,
    `striate                 ${printSpread(report.imagesPerSecond, 0)} images/s`,
    ...(peer === null
      ? ['peer                    none']
      : [
          ...layouts.map(
            (layout) =>
              `PyTorch ${layout.padEnd(15)} ${printSpread(peer.imagesPerSecond[layout], 0)} images/s`,
          ),
          `ratio to the better     ${printSpread(peer.ratio, 3)}`,
          `losses differ by        ${peer.lossDifference.toExponential(1)} at most`,
          `peer                    ${JSON.stringify(peer.configuration)}`,
        ]),
  ].join('\n');
}

function record(report: Report): string {
  const date = new Date().toISOString().slice(0, 10);
  return `\n## ${report.net}, training, ${date}\n\n\`\`\`\n${print(report)}\n\`\`\`\n`;
}

const [first, ...rest] = process.argv.slice(2);
if (first === 'loader') await (await import('./loader.js')).main(rest);
else await main();
