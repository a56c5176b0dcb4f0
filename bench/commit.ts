import { execFileSync } from 'node:child_process';
import { packageRoot } from '../scripts/paths.js';

/** The commit that is measured, as `1e54f0a` or `1e54f0a with changes`. */
export function commit(): string {
  const run = (...args: string[]): string =>
    execFileSync('git', args, { cwd: packageRoot, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const changed = run('status', '--porcelain', '--untracked-files=no') !== '';
    return run('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
  } catch {
    return 'unknown';
  }
}
