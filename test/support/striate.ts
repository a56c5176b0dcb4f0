import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../scripts/paths.js';

export interface Ended {
  /** Null when a signal ended the process. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves when standard error holds the text; rejects when the process ends before. */
  says(text: string): Promise<void>;
}

export interface StartOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Starts a program without standard input and collects what it prints. */
export function start(command: string, args: readonly string[], options: StartOptions): Running {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!stderr.includes(text)) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      look();
      void ended.then(() => reject(new Error(`ended without saying '${text}':\n${stderr}`)));
    });
  return { child, ended, says };
}

export const bin = join(packageRoot, 'bin', 'striate.js');

/** Starts the command line of this package. */
export function startStriate(args: readonly string[], options: StartOptions = {}): Running {
  return start(process.execPath, [bin, ...args], options);
}

/** Runs the command line to its end. */
export function striate(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return startStriate(args, options).ended;
}

/** The one line of JSON on standard output. */
export function jsonLine({ stdout }: Ended): Record<string, unknown> {
  const lines = stdout.split('\n');
  if (lines.length !== 2 || lines[1] !== '') {
    throw new Error(`standard output is not one line: ${JSON.stringify(stdout)}`);
  }
  return JSON.parse(lines[0]!) as Record<string, unknown>;
}
