/**
 * What training keeps for the backward pass, beside PyTorch: the same networks and batches.
 *
 *   npm run bench -- memory [--peer pytorch] [--batch 16] [--json] [--record]
 *
 * Of Striate: activations and their gradients that are alive at the peak of the plan, and one batch of
 * images, without workspace, parameters, their gradients and the optimizer. Of PyTorch (bench/peer/memory.py):
 * `saved`, the storages that its saved-tensor hooks see, each counted once; `peak`, all storages alive at one
 * time. The ratio is of Striate's peak to PyTorch's saved bytes, which are fewer than its peak.
 */
import { Command, Option } from 'commander';
import { spawnSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { count } from '../lib/cli/options.js';
import { models, sgd, softmaxCrossEntropy, type Network } from '../lib/index.js';
import { compileTraining } from '../lib/program/compile.js';
import type { Program } from '../lib/program/program.js';
import { packageRoot, version } from '../scripts/paths.js';
import { inputShape, outputElements } from './networks.js';
import { hasPyTorch, python } from './peer.js';

const networks = {
  resnet50: () => models.resnet50(),
  'googlenet-bn': () => models.googlenetBn(),
  vgg16: () => models.vgg16(),
  resnet152: () => models.resnet152(),
} satisfies Record<string, () => Network>;

const modes = ['none', 'light', 'auto'] as const;
type Mode = (typeof modes)[number];

interface PeerMemory {
  torch: string;
  saved: number;
  peak: number;
  gradients: number;
  resident: number;
}

interface Row {
  net: string;
  batch: number;
  /** Bytes of activations and their gradients at the peak. */
  own: Record<Mode, number>;
  /** Multiplications of the steps that run again over those of a training step. */
  again: Record<Mode, number>;
  peer: PeerMemory | undefined;
}

/** The largest sum of activations and their gradients, and one batch of images. */
function keptBytes(program: Program): number {
  const volumes = program.buffers.filter(
    ({ region, category }) =>
      region === 'arena' && (category === 'activations' || category === 'activationGradients'),
  );
  let most = 0;
  program.instructions.forEach((_, i) => {
    let bytes = 0;
    for (const b of volumes) if (b.first <= i && i <= b.last) bytes += b.bytes;
    most = Math.max(most, bytes);
  });
  return most + program.bytes.input;
}

/** Multiply-adds of the convolutions, by whether they are forward steps that run again. */
function repeated({ instructions, buffers, batch }: Program): number {
  let again = 0;
  let all = 0;
  for (const { op, operands, phase } of instructions) {
    if (!op.startsWith('conv2d')) continue;
    const volumes = operands.filter((o) => o?.batched === true);
    const [filters] = operands.filter(
      (o) => o !== null && !o.batched && o.shape.length === 4 && buffers[o.buffer] !== undefined,
    );
    const out = op === 'conv2d' ? volumes[1]! : volumes.at(op === 'conv2dBackwardData' ? 0 : 1)!;
    const cost = filters!.shape.reduce((a, b) => a * b, 2) * out.shape[1]! * out.shape[2]! * batch;
    all += cost;
    if (op === 'conv2d' && phase === 'backward') again += cost;
  }
  return again / (all - again);
}

function measure(batch: number, peer: boolean): Row[] {
  return Object.entries(networks).map(([net, make]): Row => {
    const network = make();
    const programs = modes.map((recompute) =>
      compileTraining(network, {
        ...{ batch, recompute },
        loss: softmaxCrossEntropy(),
        optimizer: sgd({ momentum: 0.9 }),
      }),
    );
    const byMode = (f: (program: Program) => number): Record<Mode, number> =>
      Object.fromEntries(modes.map((mode, i) => [mode, f(programs[i]!)])) as Record<Mode, number>;
    return {
      ...{ net, batch },
      own: byMode(keptBytes),
      again: byMode(repeated),
      peer: peer ? askPeer(network, batch) : undefined,
    };
  });
}

function askPeer(network: Network, batch: number): PeerMemory {
  const request = {
    network: network.toJSON(),
    parameters: network.parameters().map(({ name, spec }) => ({ name, shape: spec.shape })),
    ...{ batch, input: inputShape(network), classes: outputElements(network) },
  };
  const script = join(packageRoot, 'bench', 'peer', 'memory.py');
  const run = spawnSync(python, [script], {
    input: JSON.stringify(request),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (run.status !== 0) throw new Error(`${script} failed`);
  return JSON.parse(run.stdout) as PeerMemory;
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1).padStart(8);

function print(rows: readonly Row[]): string {
  const peer = rows[0]?.peer;
  const lines = rows.map(({ net, batch, own, again, peer: other }) => {
    const parts = modes.map((mode) => {
      const ratio = other === undefined ? '' : ` (${(own[mode] / other.saved).toFixed(3)})`;
      const extra = again[mode] > 0 ? ` +${(100 * again[mode]).toFixed(0)} %` : '';
      return `${mode} ${mib(own[mode])}${ratio}${extra}`;
    });
    const rival =
      other === undefined
        ? ''
        : `; PyTorch saved ${mib(other.saved)}, peak ${mib(other.peak)}, resident ${mib(other.resident)}`;
    return `${`${net}, batch ${batch}`.padEnd(23)} ${parts.join(', ')}${rival}`;
  });
  return [
    `MiB of activations and their gradients at the peak, striate ${version}` +
      (peer === undefined ? '' : `; in brackets over what PyTorch ${peer.torch} saves`),
    ...lines,
  ].join('\n');
}

const options = new Command('bench memory')
  .argument('[memory]')
  .addOption(new Option('--peer <name>', 'rival').choices(['pytorch', 'none']).default('none'))
  .option('--batch <n>', 'images a step', count, 16)
  .option('--json', 'one line of JSON')
  .option('--record', 'append the figures to bench/RESULTS.md')
  .parse()
  .opts<{ peer: 'pytorch' | 'none'; batch: number; json?: true; record?: true }>();
const rows = measure(options.batch, options.peer === 'pytorch' && hasPyTorch());
console.log(options.json ? JSON.stringify(rows) : print(rows));
if (options.record) {
  const date = new Date().toISOString().slice(0, 10);
  appendFileSync(
    join(packageRoot, 'bench', 'RESULTS.md'),
    `\n## Kept for the backward pass, ${date}\n\n\`npm run bench -- memory --peer pytorch\`\n\n\`\`\`\n${print(rows)}\n\`\`\`\n`,
  );
}
