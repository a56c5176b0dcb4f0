import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';
import { skipGroup } from './skip.js';

/** Bytes by the plan, and bytes that the addon asked of the operating system. */
export interface Account {
  kind: 'training' | 'inference';
  planned: number;
  asked: number;
  /** The most at one time: a large block is mapped with 2 MiB more, which are given back at once. */
  most: number;
}

/** What became of a set-up whose n-th block was refused. */
export interface Refusal {
  n: number;
  failed: number;
  code: string | null;
  /** Bytes beyond those before. */
  left: number;
}

/** Runs the device in a process in which every block that it asks for is counted. */
export class CountedProcess {
  readonly #folder = mkdtempSync(join(tmpdir(), 'striate-counted-'));

  /** `context`: Mocha's `this`, of a `before` hook. */
  constructor(context: Mocha.Context) {
    const source = join(packageRoot, 'test', 'support', 'interposer.c');
    const flags = ['-O2', '-shared', '-fPIC', '-o', this.#library, source, '-ldl', '-lpthread'];
    try {
      if (process.platform !== 'linux') throw new Error('preloading is of Linux');
      execFileSync('cc', flags, { stdio: 'pipe' });
    } catch {
      rmSync(this.#folder, { recursive: true });
      skipGroup(context, 'Linux with a C compiler (apt-get install -y build-essential)');
    }
  }

  account(network: string, batch: number): Account[] {
    return this.#run('account', network, String(batch)) as Account[];
  }

  faults(): Refusal[] {
    return this.#run('faults') as Refusal[];
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #library(): string {
    return join(this.#folder, 'interposer.so');
  }

  #run(...args: readonly string[]): unknown {
    const counts = join(this.#folder, 'counts');
    writeFileSync(counts, new Uint8Array(64));
    const child = join(packageRoot, 'test', 'process', 'children', 'counted.ts');
    const out = execFileSync(process.execPath, ['--import', 'tsx', child, ...args], {
      cwd: packageRoot,
      encoding: 'utf8',
      env: { ...process.env, LD_PRELOAD: this.#library, STRIATE_COUNTS: counts },
    });
    return JSON.parse(out);
  }
}
