import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Reading {
  gflops1: number;
  gflops2: number;
  instructionSet: string;
}

/** The peak of fused multiply-adds, read as often as asked for (bench/peak.cpp). The highest counts. */
export class Peak {
  readonly #folder = mkdtempSync(join(tmpdir(), 'striate-peak-'));
  readonly #program = join(this.#folder, 'peak');
  readonly #readings: Reading[] = [];

  constructor() {
    const source = fileURLToPath(new URL('peak.cpp', import.meta.url));
    const options = ['-O3', '-march=native', '-std=c++17', '-pthread', '-o', this.#program, source];
    execFileSync(process.env.CXX ?? 'g++', options);
  }

  read(): void {
    this.#readings.push(JSON.parse(execFileSync(this.#program, { encoding: 'utf8' })) as Reading);
  }

  /** GFLOP/s of so many threads. */
  of(threads: number): number {
    return threads === 1
      ? Math.max(...this.#readings.map((r) => r.gflops1))
      : (Math.max(...this.#readings.map((r) => r.gflops2)) * threads) / 2;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
