import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface PeerTurn {
  seconds: number;
  losses: number[];
}

export const python = process.env.STRIATE_PEER_PYTHON ?? 'python3';

/** Variables that would change the peer's own choice of threads and kernels. */
function environment(threads: number): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('OPENBLAS_'));
  return { ...Object.fromEntries(kept), OMP_NUM_THREADS: String(threads) };
}

/** True when `python` can import PyTorch. */
export function hasPyTorch(): boolean {
  return spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0;
}

/** PyTorch in a process of its own. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(threads: number) {
    const script = fileURLToPath(new URL('peer.py', import.meta.url));
    this.#child = spawn(python, [script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: environment(threads),
    });
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  open(request: object): Promise<Record<string, unknown>> {
    return this.#ask({ do: 'open', ...request });
  }

  steps(layout: string, steps: number): Promise<PeerTurn> {
    return this.#ask({ do: 'steps', layout, steps });
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
