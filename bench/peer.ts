import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Dataset, Network, Trainer } from '../lib/index.js';
import type { Spread } from './statistics.js';

export const layouts = ['contiguous', 'channels_last'] as const;
export type Layout = (typeof layouts)[number];

export interface PeerTurn {
  seconds: number;
  /** Losses of training, outputs of inference. */
  values: number[];
}

/** What a report says of the rival. */
export interface PeerFigures {
  configuration: Record<string, unknown>;
  /** Images a second. */
  speed: Record<Layout, Spread>;
  /** Striate over the better layout, round by round. */
  ratio: Spread;
  /** Largest relative difference of what both computed. */
  difference: number;
}

/** Pause between turns: idle threads of OpenMP spin for 200 ms. */
export const pauseBetweenTurns = 300;

export const python = process.env.STRIATE_PEER_PYTHON ?? 'python3';

/** Variables that would change the peer's own choice of threads and kernels. */
function environment(threads: number): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('OPENBLAS_'));
  return { ...Object.fromEntries(kept), OMP_NUM_THREADS: String(threads) };
}

/** True when `python` can import PyTorch. */
export function hasPyTorch(): boolean {
  if (spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0) return true;
  process.stderr.write(
    `PyTorch was not found by ${python}: only Striate is measured. ` +
      'Set STRIATE_PEER_PYTHON to a Python that has the package torch.\n',
  );
  return false;
}

/** PyTorch in a process of its own. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(threads: number) {
    const script = fileURLToPath(new URL('peer/peer.py', import.meta.url));
    this.#child = spawn(python, [script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: environment(threads),
    });
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  open(request: object): Promise<Record<string, unknown>> {
    return this.#ask({ do: 'open', layouts, ...request });
  }

  /** The same network with the trainer's parameters and the images of `set`, in memory. */
  async openNetwork(
    mode: 'train' | 'infer',
    network: Network,
    weights: Awaited<ReturnType<Trainer['weights']>>,
    set: Dataset,
    options: object,
  ): Promise<Record<string, unknown>> {
    const folder = mkdtempSync(join(tmpdir(), 'striate-bench-'));
    try {
      return await this.open({
        mode,
        network: network.toJSON(),
        ...options,
        ...writeParameters(folder, network, weights),
        ...(await writeImages(folder, set)),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  run(what: 'train' | 'infer', layout: Layout, steps: number): Promise<PeerTurn> {
    return this.#ask({ do: what, layout, steps });
  }

  layer(layout: Layout, direction: string, count: number): Promise<{ seconds: number }> {
    return this.#ask({ do: 'layer', layout, direction, count });
  }

  close(): void {
    this.#child.stdin!.end();
  }

  async #ask<Answer>(request: object): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error('the PyTorch process ended early');
    return JSON.parse(answer.value) as Answer;
  }
}

/** The parameters, one float32 array behind the other, and where each lies. */
function writeParameters(
  folder: string,
  network: Network,
  weights: Awaited<ReturnType<Trainer['weights']>>,
): object {
  const manifest = [];
  const parts: Uint8Array[] = [];
  let begin = 0;
  for (const [name, { shape, data }] of weights) {
    manifest.push({ name, shape, begin, count: data.length, volume: volumeBefore(network, name) });
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    begin += data.length;
  }
  const parameters = join(folder, 'parameters');
  writeFileSync(parameters, Buffer.concat(parts));
  return { parameters, manifest };
}

/** The volume that a dense layer reads flattened: PyTorch flattens it channels first. */
function volumeBefore(network: Network, parameter: string): readonly number[] | undefined {
  const name = parameter.slice(0, parameter.lastIndexOf('.'));
  const node = network.nodes.find((candidate) => candidate.name === name);
  if (node?.layer?.kind !== 'dense') return undefined;
  let before = network.nodes[node.inputs[0]!]!;
  while (before.shape.length < 3 && /^(flatten|dropout)$/.test(before.layer?.kind ?? ''))
    before = network.nodes[before.inputs[0]!]!;
  return before.shape.length === 3 ? before.shape : undefined;
}

/** All images as float32 pixels / 256, in the order in which both read them. */
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
