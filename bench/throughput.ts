// Images a second of training and of inference, beside PyTorch's.
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  batches,
  device as openDevice,
  load,
  Network,
  sgd,
  softmaxCrossEntropy,
  type Dataset,
  type Device,
  type Trainer,
} from '../lib/index.js';
import { version } from '../scripts/paths.js';
import { commit } from './commit.js';
import { imagesFor, inputShape, networks, outputElements, type NetworkName } from './networks.js';
import {
  hasPyTorch,
  layouts,
  pauseBetweenTurns,
  Peer,
  type Layout,
  type PeerFigures,
} from './peer.js';
import { spread, type Spread } from './statistics.js';

export interface ThroughputOptions {
  peer: 'pytorch' | 'none';
  inference?: true;
  rounds: number;
  steps?: number;
  batch?: number;
  threads: number;
}

export interface ThroughputReport {
  net: NetworkName;
  mode: 'training' | 'inference';
  batch: number;
  threads: number;
  steps: number;
  version: string;
  commit: string;
  processor: string;
  instructionSet: string;
  rounds: Round[];
  imagesPerSecond: Spread;
  peer: PeerFigures | null;
}

interface Round {
  /** Images a second. */
  striate: number;
  peer?: Record<Layout, number>;
  /** Striate over the peer's better layout. */
  ratio?: number;
}

/** A turn of one side: images a second. */
interface Sides {
  striate: () => Promise<number>;
  peer?: (layout: Layout) => Promise<number>;
}

/**
 * Steps whose losses are compared, at a small rate: float32 sums in another order drift apart, fast where batches
 * are normalised.
 */
const comparedSteps = 3;
const comparedRate = 1e-5;
const agreement = 1e-3;
const optimizer = { learningRate: 0.01, momentum: 0.9, weightDecay: 5e-4 };
const preprocess = { scale: 1 / 256 };

export async function measureThroughput(
  net: NetworkName,
  options: ThroughputOptions,
): Promise<ThroughputReport> {
  const { threads, inference = false } = options;
  const network = networks[net].make();
  const batch = options.batch ?? networks[net].batch;
  const steps = options.steps ?? networks[net].steps * (inference ? 3 : 1);
  const set = await imagesFor(network, batch * steps);
  await using device = await openDevice('cpu', { threads });
  const peer = options.peer === 'pytorch' && hasPyTorch() ? new Peer(threads) : undefined;
  try {
    const measured = inference
      ? await inferenceTurns(device, network, set, batch, steps, peer, options)
      : await trainingTurns(device, network, set, batch, steps, peer, options);
    return {
      net,
      mode: inference ? 'inference' : 'training',
      batch,
      threads,
      steps,
      version,
      commit: commit(),
      processor: cpus()[0]?.model ?? 'unknown',
      instructionSet: device.instructionSet,
      rounds: measured.rounds,
      imagesPerSecond: spread(measured.rounds.map((r) => r.striate)),
      peer:
        measured.configuration === undefined
          ? null
          : {
              configuration: measured.configuration,
              ...peerFigures(measured.rounds),
              difference: measured.difference,
            },
    };
  } finally {
    peer?.close();
  }
}

interface Turns {
  rounds: Round[];
  configuration?: Record<string, unknown>;
  difference: number;
}

async function trainingTurns(
  device: Device,
  network: Network,
  set: Dataset,
  batch: number,
  steps: number,
  peer: Peer | undefined,
  { rounds, threads }: ThroughputOptions,
): Promise<Turns> {
  const trainerOf = (of: Network, learningRate: number): Promise<Trainer> =>
    of.trainer({
      device,
      batch,
      preprocess,
      loss: softmaxCrossEntropy(),
      optimizer: sgd({ ...optimizer, learningRate }),
    });
  const open = async (
    of: Network,
    trainer: Trainer,
    learningRate: number,
  ): Promise<Record<string, unknown>> =>
    peer!.openNetwork('train', of, await trainer.weights(), set, {
      ...{ batch, threads, ...optimizer, learningRate },
    });

  let difference = 0;
  if (peer) {
    // Without dropout: the two draw other numbers.
    const compared = withoutDropout(network);
    await using trainer = await trainerOf(compared, comparedRate);
    await open(compared, trainer, comparedRate);
    difference = await compareLosses(peer, trainer, set);
  }
  await using trainer = await trainerOf(network, optimizer.learningRate);
  const configuration = peer ? await open(network, trainer, optimizer.learningRate) : undefined;
  const ownTurn = async (): Promise<number> => {
    const { epochs } = await trainer.fit(set, { epochs: 1, shuffle: false });
    return epochs[0]!.imagesPerSecond;
  };
  const measured = await alternate(rounds, {
    striate: ownTurn,
    ...(peer && {
      peer: async (layout) => (batch * steps) / (await peer.run('train', layout, steps)).seconds,
    }),
  });
  return { rounds: measured, difference, ...(configuration && { configuration }) };
}

async function inferenceTurns(
  device: Device,
  network: Network,
  set: Dataset,
  batch: number,
  steps: number,
  peer: Peer | undefined,
  { rounds, threads }: ThroughputOptions,
): Promise<Turns> {
  // Parameters as training starts with them.
  const trainer = await network.trainer({
    ...{ device, batch: 1, loss: softmaxCrossEntropy(), optimizer: sgd({ learningRate: 0 }) },
  });
  const weights = await trainer.weights();
  await trainer.close();
  await using model = await load({ network, weights, preprocess }, { device, batch });
  const x = new Uint8Array(set.length * inputShape(network).reduce((a, b) => a * b, 1));
  await set.read(
    Uint32Array.from({ length: set.length }, (_, i) => i),
    { x, target: new Int32Array(set.length) },
  );
  let configuration: Record<string, unknown> | undefined;
  let difference = 0;
  if (peer) {
    configuration = await peer.openNetwork('infer', network, weights, set, { batch, threads });
    const { data } = await model.predict(x);
    const outputs = outputElements(network);
    const last = data.subarray((set.length - batch) * outputs).subarray(0, 64);
    for (const layout of layouts) {
      const { values } = await peer.run('infer', layout, steps);
      difference = Math.max(difference, distance(last, values));
    }
    if (!(difference < agreement)) throw disagreement('outputs', difference);
  }
  const measured = await alternate(rounds, {
    striate: async () => {
      const start = performance.now();
      await model.predict(x);
      return (1000 * batch * steps) / (performance.now() - start);
    },
    ...(peer && {
      peer: async (layout) => (batch * steps) / (await peer.run('infer', layout, steps)).seconds,
    }),
  });
  return { rounds: measured, difference, ...(configuration && { configuration }) };
}

/** Turns of both, one after another; the first of each is not counted. */
async function alternate(rounds: number, { striate, peer }: Sides): Promise<Round[]> {
  const measured: Round[] = [];
  for (let i = 0; i <= rounds; i++) {
    await sleep(pauseBetweenTurns);
    const round: Round = { striate: await striate() };
    if (peer) {
      const speeds = {} as Record<Layout, number>;
      for (const layout of layouts) {
        await sleep(pauseBetweenTurns);
        speeds[layout] = await peer(layout);
      }
      round.peer = speeds;
      round.ratio = round.striate / Math.max(...Object.values(speeds));
    }
    if (i === 0) continue;
    measured.push(round);
    process.stderr.write(`round ${i} of ${rounds}: ${describeRound(round)}\n`);
  }
  return measured;
}

async function compareLosses(peer: Peer, trainer: Trainer, set: Dataset): Promise<number> {
  const own: number[] = [];
  while (own.length < comparedSteps)
    for await (const batch of batches(set, { batch: trainer.batch, shuffle: false })) {
      own.push((await trainer.step(batch)).loss);
      if (own.length === comparedSteps) break;
    }
  let largest = 0;
  for (const layout of layouts)
    largest = Math.max(
      largest,
      distance(own, (await peer.run('train', layout, comparedSteps)).values),
    );
  if (!(largest < agreement)) throw disagreement('losses', largest);
  return largest;
}

function disagreement(what: string, by: number): Error {
  return new Error(`the ${what} differ by ${by}: the two do not compute the same network`);
}

/** Largest difference, beside the largest value. */
function distance(own: ArrayLike<number>, other: ArrayLike<number>): number {
  let [apart, largest] = [0, 0];
  for (let i = 0; i < own.length; i++) {
    apart = Math.max(apart, Math.abs(own[i]! - other[i]!));
    largest = Math.max(largest, Math.abs(own[i]!));
  }
  return apart / largest;
}

function withoutDropout(network: Network): Network {
  const json = network.toJSON();
  return Network.fromJSON({
    ...json,
    nodes: json.nodes.map((node) =>
      node.kind === 'dropout' ? { ...node, options: { ...node.options, rate: 0 } } : node,
    ),
  });
}

function peerFigures(rounds: readonly Round[]): Pick<PeerFigures, 'speed' | 'ratio'> {
  const speeds = layouts.map((layout) => [layout, spread(rounds.map((r) => r.peer![layout]))]);
  return {
    speed: Object.fromEntries(speeds) as Record<Layout, Spread>,
    ratio: spread(rounds.map((r) => r.ratio!)),
  };
}

const rate = (value: number): string => value.toFixed(value < 100 ? 2 : 0);
const printSpread = ({ median, lowerQuartile, upperQuartile }: Spread, digits?: number): string => {
  const print = (value: number): string =>
    digits === undefined ? rate(value) : value.toFixed(digits);
  return `${print(median)} (quartiles ${print(lowerQuartile)} to ${print(upperQuartile)})`;
};

function describeRound({ striate, peer, ratio }: Round): string {
  if (!peer) return `${rate(striate)} images/s`;
  const rivals = layouts.map((layout) => `PyTorch ${layout} ${rate(peer[layout])}`).join(', ');
  return `${rate(striate)} images/s, ${rivals}, ratio ${ratio!.toFixed(3)}`;
}

export function printThroughput(report: ThroughputReport): string {
  const { net, mode, batch, threads, rounds, steps, peer } = report;
  return [
    `${net}, ${mode}, batch ${batch}, ${threads} threads, ${rounds.length} rounds of ${steps} steps`,
    `${report.processor}, ${report.instructionSet}, striate ${report.version} (${report.commit})`,
    `striate                 ${printSpread(report.imagesPerSecond)} images/s`,
    ...(peer === null
      ? ['peer                    none']
      : [
          ...layouts.map(
            (layout) => `PyTorch ${layout.padEnd(15)} ${printSpread(peer.speed[layout])} images/s`,
          ),
          `ratio to the better     ${printSpread(peer.ratio, 3)}`,
          `${mode === 'training' ? 'losses' : 'outputs'} differ by        ${peer.difference.toExponential(1)} at most`,
          `peer                    ${JSON.stringify(peer.configuration)}`,
        ]),
  ].join('\n');
}
