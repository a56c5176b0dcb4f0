/** npm's prepare script: compiles lib/ to dist/ and removes what no source stands for any more. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageRoot } from './paths.js';

const dist = join(packageRoot, 'dist');
/** Inside dist/, so that whoever removes dist/ gets all of it again. */
const buildInfo = join(dist, '.tsbuildinfo');

function removeStale(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (path === buildInfo) continue;
    const source = path.replace(dist, join(packageRoot, 'lib')).replace(/(\.d\.ts|\.js)$/, '.ts');
    if (!existsSync(source)) rmSync(path);
  }
}

const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
const { status } = spawnSync(
  process.execPath,
  [
    join(typescript, 'bin', 'tsc'),
    ...['-p', join(packageRoot, 'tsconfig.json')],
    ...['--incremental', '--tsBuildInfoFile', buildInfo],
  ],
  { stdio: 'inherit' },
);
if (status === 0) removeStale(dist);
process.exitCode = status ?? 1;
