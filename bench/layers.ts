// Convolutions one by one, in all three directions, beside the peak and PyTorch.
import { setTimeout as sleep } from 'node:timers/promises';
import { cpus } from 'node:os';
import { device as openDevice, type Device } from '../lib/index.js';
import { convWorkspace } from '../lib/layers/conv2d.js';
import { commit } from './commit.js';
import { plainConvolution } from './gemm.js';
import { OpCall } from './op-call.js';
import { Peak } from './peak.js';
import { hasPyTorch, layouts, Peer } from './peer.js';
import { quantile } from './statistics.js';

interface Layer {
  readonly name: string;
  readonly size: number;
  readonly channels: number;
  readonly filters: number;
  readonly filter: number;
  readonly stride: number;
  readonly padding: number;
}

const layer = (
  name: string,
  size: number,
  channels: number,
  filters: number,
  filter = 3,
  stride = 1,
  padding = (filter - 1) >> 1,
): Layer => ({ name, size, channels, filters, filter, stride, padding });

/** Each shape once. */
export const layerTables = {
  vgg16: [
    layer('conv1_1', 224, 3, 64),
    layer('conv1_2', 224, 64, 64),
    layer('conv2_1', 112, 64, 128),
    layer('conv2_2', 112, 128, 128),
    layer('conv3_1', 56, 128, 256),
    layer('conv3_2', 56, 256, 256),
    layer('conv4_1', 28, 256, 512),
    layer('conv4_2', 28, 512, 512),
    layer('conv5', 14, 512, 512),
  ],
  resnet50: [
    layer('conv1', 224, 3, 64, 7, 2),
    layer('stage2 1x1 64', 56, 64, 64, 1),
    layer('stage2 3x3', 56, 64, 64),
    layer('stage2 1x1 256', 56, 64, 256, 1),
    layer('stage2 1x1 back', 56, 256, 64, 1),
    layer('stage3 3x3 s2', 56, 128, 128, 3, 2),
    layer('stage3 1x1 s2', 56, 256, 512, 1, 2),
    layer('stage3 3x3', 28, 128, 128),
    layer('stage3 1x1 512', 28, 128, 512, 1),
    layer('stage3 1x1 back', 28, 512, 128, 1),
    layer('stage4 3x3 s2', 28, 256, 256, 3, 2),
    layer('stage4 3x3', 14, 256, 256),
    layer('stage4 1x1 1024', 14, 256, 1024, 1),
    layer('stage4 1x1 back', 14, 1024, 256, 1),
    layer('stage5 3x3 s2', 14, 512, 512, 3, 2),
    layer('stage5 3x3', 7, 512, 512),
    layer('stage5 1x1 2048', 7, 512, 2048, 1),
    layer('stage5 1x1 back', 7, 2048, 512, 1),
  ],
  /** L1 to L5 of the convnet-benchmarks that the CS231n notes point to. */
  convnet: [
    layer('L1', 128, 3, 96, 11, 1, 0),
    layer('L2', 64, 64, 128, 9, 1, 0),
    layer('L3', 32, 128, 128, 9, 1, 0),
    layer('L4', 16, 128, 128, 7, 1, 0),
    layer('L5', 13, 384, 384, 3, 1, 0),
  ],
  alexnet: [
    layer('conv1', 227, 3, 96, 11, 4, 0),
    layer('conv2', 27, 96, 256, 5),
    layer('conv3', 13, 256, 384),
    layer('conv4', 13, 384, 384),
    layer('conv5', 13, 384, 256),
  ],
} as const satisfies Record<string, readonly Layer[]>;

export type TableName = keyof typeof layerTables;
const directions = ['forward', 'backwardData', 'backwardFilter'] as const;
type Direction = (typeof directions)[number];

interface Measured {
  layer: string;
  direction: Direction;
  gflops: number;
  ofPeak: number;
  /** Striate over PyTorch's better layout, the median of the rounds' ratios. */
  ratio: number | null;
}

export interface LayersReport {
  table: TableName;
  processor: string;
  instructionSet: string;
  commit: string;
  batch: number;
  threads: number;
  rounds: number;
  peakGflops: number;
  layers: Measured[];
}

interface LayersOptions {
  peer: 'pytorch' | 'none';
  rounds: number;
  batch?: number;
  threads: number;
}

/** Floating-point operations of one measurement. */
const workPerTurn = 1e10;

export async function measureLayers(
  table: TableName,
  { peer: rival, rounds, batch = 8, threads }: LayersOptions,
): Promise<LayersReport> {
  await using device = await openDevice('cpu', { threads });
  using peak = new Peak();
  const peer = rival === 'pytorch' && hasPyTorch() ? new Peer(threads) : undefined;
  const found: (Omit<Measured, 'ofPeak'> & { flops: number })[] = [];
  try {
    for (const one of layerTables[table]) {
      peak.read();
      process.stderr.write(`${table} ${one.name}\n`);
      await peer?.open({ mode: 'layer', threads, batch, ...one });
      const flops = 2 * batch * outSize(one) ** 2 * one.filters * one.filter ** 2 * one.channels;
      const calls = Math.max(1, Math.round(workPerTurn / flops));
      for (const direction of directions) {
        const call = convolution(device, one, batch, direction);
        const seconds: number[] = [];
        const ratios: number[] = [];
        for (let round = 0; round < rounds; round++) {
          const own = await call.time(calls);
          seconds.push(own);
          if (!peer) continue;
          const turns: number[] = [];
          for (const layout of layouts)
            turns.push((await peer.layer(layout, direction, calls)).seconds);
          ratios.push(Math.min(...turns) / own);
          await sleep(220); // idle threads of OpenMP spin for 200 ms
        }
        found.push({
          layer: one.name,
          direction,
          flops,
          gflops: (flops * calls) / quantile(seconds, 0.5) / 1e9,
          ratio: peer ? quantile(ratios, 0.5) : null,
        });
      }
    }
  } finally {
    peer?.close();
  }
  const peakGflops = peak.of(threads);
  return {
    table,
    processor: cpus()[0]?.model ?? 'unknown',
    instructionSet: device.instructionSet,
    commit: commit(),
    batch,
    threads,
    rounds,
    peakGflops,
    layers: found.map(({ flops: _, ...one }) => ({ ...one, ofPeak: one.gflops / peakGflops })),
  };
}

const outSize = ({ size, filter, stride, padding }: Layer): number =>
  Math.floor((size + 2 * padding - filter) / stride) + 1;

function convolution(device: Device, one: Layer, batch: number, direction: Direction): OpCall {
  const { size, channels, filters, filter, stride, padding } = one;
  const out = outSize(one);
  const x = [batch, size, size, channels];
  const y = [batch, out, out, filters];
  const w = [filter, filter, channels, filters];
  const attributes = {
    ...plainConvolution,
    ...{ strideH: stride, strideW: stride },
    ...{ padTop: padding, padLeft: padding, padBottom: padding, padRight: padding },
  };
  const workspace = convWorkspace(direction, filter ** 2, channels, filters, 1, 'float32');
  const reads = (shape: readonly number[]) => ({ shape, access: 'read' }) as const;
  const writes = (shape: readonly number[]) => ({ shape, access: 'overwrite' }) as const;
  if (direction === 'forward')
    return new OpCall(device, 'conv2d', attributes, [
      ...[reads(x), reads(w), reads([filters]), writes(y), workspace],
    ]);
  if (direction === 'backwardData')
    return new OpCall(device, 'conv2dBackwardData', attributes, [
      ...[reads(y), reads(w), writes(x), workspace],
    ]);
  return new OpCall(device, 'conv2dBackwardFilter', attributes, [
    ...[reads(x), reads(y), writes(w), writes([filters]), workspace],
  ]);
}

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

export function printLayers({ layers: measured, ...report }: LayersReport): string {
  const { table, batch, threads, rounds, peakGflops } = report;
  const percent = (part: number): string => `${(100 * part).toFixed(0)} %`.padStart(6);
  const cell = ({ gflops, ofPeak, ratio }: Measured): string =>
    `${gflops.toFixed(0).padStart(5)}${percent(ofPeak)}${ratio === null ? '' : ` x${ratio.toFixed(2)}`}`;
  const rows = layerTables[table].map(({ name }) => {
    const cells = directions.map((d) =>
      cell(measured.find((m) => m.layer === name && m.direction === d)!).padEnd(18),
    );
    return `${name.padEnd(18)}${cells.join('')}`;
  });
  const deep = measured.filter(
    ({ layer: name }) => layerTables[table].find((l) => l.name === name)!.channels > 3,
  );
  const means = directions.map((d) => {
    const own = deep.filter((m) => m.direction === d);
    const ratio =
      own[0]?.ratio === null ? '' : ` x${geometricMean(own.map((m) => m.ratio!)).toFixed(2)}`;
    return `     ${percent(geometricMean(own.map((m) => m.ofPeak)))}${ratio}`.padEnd(18);
  });
  return [
    `${table}, batch ${batch}, ${threads} threads, ${rounds} rounds; GFLOP/s, part of the peak of ${peakGflops.toFixed(0)}${measured[0]?.ratio === null ? '' : ", x times PyTorch's better layout"}`,
    `${report.processor}, ${report.instructionSet} (${report.commit})`,
    `${''.padEnd(18)}${directions.map((d) => d.padEnd(18)).join('')}`,
    ...rows,
    `${'geometric mean'.padEnd(18)}${means.join('')}`,
    `(the mean leaves out layers of 3 channels; all directions: ${percent(geometricMean(deep.map((m) => m.ofPeak))).trim()})`,
  ].join('\n');
}
