/**
 * SGEMM beside the machine's peak: a 1x1 convolution of [1, M, 1, K] with K = M filters is a matrix
 * multiplication of M x M matrices. The peak of fused multiply-adds is measured between the rounds
 * (bench/peak.cpp), its highest reading counts.
 *
 *   npx tsx bench/gemm.ts [--json] [--threads 2] [--rounds 7] [--sizes 256,512,1024,2048]
 */
import { Command } from 'commander';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { count } from '../lib/cli/options.js';
import { device as openDevice, type Device } from '../lib/index.js';
import { convWorkspace } from '../lib/layers/conv2d.js';
import { nativeAccesses, nativeDTypes } from '../lib/runtime/elements.js';
import { nativeOp, packAttributes } from '../lib/runtime/native-ops.js';
import type { NativeOperand } from '../typings/native.js';
import { spread, type Spread } from './statistics.js';

interface GemmOptions {
  rounds: number;
  threads: number;
  sizes: string;
  json?: true;
}

interface Peak {
  gflops1: number;
  gflops2: number;
  instructionSet: string;
}

interface Report {
  instructionSet: string;
  threads: number;
  rounds: number;
  /** Highest reading, scaled to the threads. */
  peakGflops: number;
  peak: Peak;
  sizes: { size: number; gflops: Spread; best: number; ofPeak: number; bestOfPeak: number }[];
}

/**
 * Work of one measurement, in floating-point operations. As much is done before it: threads that wake
 * up may share a processor until the system moves one away.
 */
const workPerTurn = 3e10;

async function main(): Promise<void> {
  const options = new Command('gemm')
    .option('--rounds <n>', 'rounds', count, 7)
    .option('--threads <n>', 'threads', count, 2)
    .option('--sizes <list>', 'sizes, separated by commas', '256,512,1024,2048')
    .option('--json', 'one line of JSON')
    .parse()
    .opts<GemmOptions>();
  const report = await measure(options);
  console.log(options.json ? JSON.stringify(report) : print(report));
}

async function measure({ rounds, threads, sizes: list }: GemmOptions): Promise<Report> {
  await using device = await openDevice('cpu', { threads });
  const folder = mkdtempSync(join(tmpdir(), 'striate-peak-'));
  try {
    const readPeak = buildPeak(folder);
    const products = list.split(',').map((size) => new Product(device, Number(size)));
    const peaks = [readPeak()];
    for (let round = 0; round < rounds; round++) {
      for (const product of products) await product.turn();
      peaks.push(readPeak());
    }
    const highest: Peak = {
      gflops1: Math.max(...peaks.map((p) => p.gflops1)),
      gflops2: Math.max(...peaks.map((p) => p.gflops2)),
      instructionSet: peaks[0]!.instructionSet,
    };
    const peakGflops = threads === 1 ? highest.gflops1 : (highest.gflops2 * threads) / 2;
    return {
      instructionSet: device.instructionSet,
      threads,
      rounds,
      peakGflops,
      peak: highest,
      sizes: products.map(({ size, readings }) => {
        const gflops = spread(readings);
        const best = Math.max(...readings);
        return {
          size,
          gflops,
          best,
          ofPeak: gflops.median / peakGflops,
          bestOfPeak: best / peakGflops,
        };
      }),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compiles bench/peak.cpp for this processor; the function runs it. */
function buildPeak(folder: string): () => Peak {
  const source = fileURLToPath(new URL('peak.cpp', import.meta.url));
  const program = join(folder, 'peak');
  const options = ['-O3', '-march=native', '-std=c++17', '-pthread', '-o', program, source];
  execFileSync(process.env.CXX ?? 'g++', options);
  return () => JSON.parse(execFileSync(program, { encoding: 'utf8' })) as Peak;
}

/** y = x w for square matrices, through the op as eager calls run it, over memory that stays. */
class Product {
  readonly size: number;
  readonly readings: number[] = [];
  readonly #execute: () => Promise<void>;

  constructor(device: Device, size: number) {
    this.size = size;
    const bytes = size * size * 4;
    const ones = new Float32Array(size * size).fill(1);
    const operand = (access: 'read' | 'overwrite', shape: number[]): NativeOperand => {
      const buffer = device.native.allocate(bytes, 'bench');
      if (access === 'read') void buffer.write(0, ones);
      return {
        buffer,
        byteOffset: 0,
        dtype: nativeDTypes.float32,
        access: nativeAccesses[access],
        size: shape,
        pitch: size,
      };
    };
    const workspaceBytes = convWorkspace('forward', 1, size, size, 1, 'float32');
    const operands = [
      operand('read', [1, size, 1, size]),
      operand('read', [1, 1, size, size]),
      null,
      operand('overwrite', [1, size, 1, size]),
      {
        buffer: device.native.allocate(workspaceBytes, 'bench'),
        byteOffset: 0,
        dtype: nativeDTypes.uint8,
        access: nativeAccesses.overwrite,
        size: [workspaceBytes],
        pitch: workspaceBytes,
      },
    ];
    const op = nativeOp('conv2d');
    const attributes = packAttributes(op, {
      strideH: 1,
      strideW: 1,
      padTop: 0,
      padLeft: 0,
      padBottom: 0,
      padRight: 0,
      dilationH: 1,
      dilationW: 1,
      groups: 1,
      activation: 0,
      algorithm: 0,
    });
    const control = { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1 };
    this.#execute = () => device.native.execute(op.number, attributes, operands, control);
  }

  /** Calls are queued together, so that the way through the queue is not measured. */
  async turn(): Promise<void> {
    const flops = 2 * this.size ** 3;
    const calls = Math.max(2, Math.round(workPerTurn / flops));
    await Promise.all(Array.from({ length: calls }, this.#execute));
    const start = performance.now();
    await Promise.all(Array.from({ length: calls }, this.#execute));
    this.readings.push((flops * calls) / (performance.now() - start) / 1e6);
  }
}

function print(report: Report): string {
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const { threads, instructionSet, peakGflops } = report;
  return [
    `${instructionSet}, ${threads} threads, peak ${peakGflops.toFixed(0)} GFLOP/s`,
    ...report.sizes.map(
      ({ size, gflops, best, ofPeak, bestOfPeak }) =>
        `SGEMM ${size}: ${gflops.median.toFixed(0)} GFLOP/s (${percent(ofPeak)}), ` +
        `quartiles ${gflops.lowerQuartile.toFixed(0)} to ${gflops.upperQuartile.toFixed(0)}, ` +
        `best ${best.toFixed(0)} (${percent(bestOfPeak)})`,
    ),
  ].join('\n');
}

await main();
