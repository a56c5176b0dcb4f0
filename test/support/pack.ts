import { execFileSync } from 'node:child_process';
import { packageRoot } from '../../scripts/paths.js';

export interface Packed {
  /** Bytes of the compressed file. */
  size: number;
  filename: string;
  files: { path: string; mode: number }[];
}

/** Runs `npm pack` as it stands, without the scripts that would compile again. */
export function pack(...more: string[]): Packed {
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', ...more], {
    cwd: packageRoot,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const answer = JSON.parse(output) as Packed[] | Record<string, Packed>;
  // npm 12 answers with an object by name where earlier versions gave a list.
  return Object.values(answer)[0]!;
}
