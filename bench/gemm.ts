// SGEMM beside the machine's peak: a 1x1 convolution of [1, M, 1, K] with N filters multiplies [M, K] by
// [K, N]. The peak is read between the rounds.
import { cpus } from 'node:os';
import { device as openDevice } from '../lib/index.js';
import { convWorkspace } from '../lib/layers/conv2d.js';
import { commit } from './commit.js';
import { OpCall } from './op-call.js';
import { Peak } from './peak.js';
import { spread, type Spread } from './statistics.js';

export interface GemmReport {
  processor: string;
  instructionSet: string;
  commit: string;
  threads: number;
  rounds: number;
  peakGflops: number;
  sizes: { size: number; gflops: Spread; ofPeak: number }[];
}

const sizes = [256, 512, 1024, 1536, 2048];
/** Floating-point operations of one measurement. */
const workPerTurn = 3e10;

export const plainConvolution = {
  ...{ strideH: 1, strideW: 1, padTop: 0, padLeft: 0, padBottom: 0, padRight: 0 },
  ...{ dilationH: 1, dilationW: 1, groups: 1, activation: 0, algorithm: 0, tf32: 0 },
};

export async function measureGemm(options: {
  rounds: number;
  threads: number;
}): Promise<GemmReport> {
  const { rounds, threads } = options;
  await using device = await openDevice('cpu', { threads });
  using peak = new Peak();
  const products = sizes.map((size) => ({
    size,
    readings: [] as number[],
    call: new OpCall(device, 'conv2d', plainConvolution, [
      { shape: [1, size, 1, size], access: 'read' },
      { shape: [1, 1, size, size], access: 'read' },
      null,
      { shape: [1, size, 1, size], access: 'overwrite' },
      convWorkspace('forward', 1, size, size, 1, 'float32'),
    ]),
  }));
  peak.read();
  for (let round = 0; round < rounds; round++) {
    for (const { size, call, readings } of products) {
      const flops = 2 * size ** 3;
      const calls = Math.max(2, Math.round(workPerTurn / flops));
      readings.push((flops * calls) / (await call.time(calls)) / 1e9);
    }
    peak.read();
  }
  const peakGflops = peak.of(threads);
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    instructionSet: device.instructionSet,
    commit: commit(),
    threads,
    rounds,
    peakGflops,
    sizes: products.map(({ size, readings }) => {
      const gflops = spread(readings);
      return { size, gflops, ofPeak: gflops.median / peakGflops };
    }),
  };
}

export function printGemm({ sizes: measured, ...report }: GemmReport): string {
  const { processor, instructionSet, threads, peakGflops } = report;
  return [
    `${processor}, ${instructionSet}, ${threads} threads, ${report.rounds} rounds (${report.commit}), peak ${peakGflops.toFixed(0)} GFLOP/s`,
    ...measured.map(
      ({ size, gflops, ofPeak }) =>
        `SGEMM ${size}: ${gflops.median.toFixed(0)} GFLOP/s (${(100 * ofPeak).toFixed(1)} %), ` +
        `quartiles ${gflops.lowerQuartile.toFixed(0)} to ${gflops.upperQuartile.toFixed(0)}`,
    ),
  ].join('\n');
}
