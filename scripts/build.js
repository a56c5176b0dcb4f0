/**
 * Builds the native addon: cmake-js in a work folder, then a rename into place. Plain JavaScript that
 * never imports `dist/`, because npm runs the install script before TypeScript is compiled.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheFolder, isClone, packageAddon, packageRoot, sourceHash, version } from './paths.js';
import { missingTools } from './tools.js';

/** A build that did not succeed. `remedy` is for the user, `log` the file with all the output. */
export class BuildError extends Error {
  code = 'BUILD_FAILED';
  constructor(message, remedy, log) {
    super(message);
    this.remedy = remedy;
    this.log = log;
  }
}

/** What the addon at `path` says it is, or the reason why it does not load. Asked in a process of its own. */
export function inspectAddon(path) {
  if (!existsSync(path)) return { reason: 'no such file' };
  const script =
    'const { version, sourceHash } = require(process.argv[1]); console.log(JSON.stringify({ version, sourceHash }))';
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] };
    return JSON.parse(execFileSync(process.execPath, ['-e', script, path], options));
  } catch (error) {
    const line = String(error.stderr ?? error.message)
      .split('\n')
      .find((text) => /error/i.test(text));
    return { reason: line?.trim() ?? 'does not load' };
  }
}

/** True when the addon at `path` loads and was built from these very sources. */
export function isCurrent(path) {
  const found = inspectAddon(path);
  return found.version === version && found.sourceHash === sourceHash();
}

function writable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where a build goes: into the package when it is writable, else into the user's cache. */
export function buildTarget() {
  const build = join(packageRoot, 'build');
  const inPackage = existsSync(build) ? writable(build) : writable(packageRoot);
  return inPackage ? packageAddon : join(cacheFolder(), 'striate.node');
}

function ownerIsGone(lock) {
  try {
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code === 'EPERM') return false;
    // No process of that number; or no file yet, which is a crash only when the folder is not brand new.
    return error.code === 'ESRCH' || Date.now() - statSync(lock).mtimeMs > 5_000;
  }
}

/** Runs `work` while holding the folder `lock`; waits for another process that holds it. */
export async function locked(lock, log, work) {
  mkdirSync(dirname(lock), { recursive: true });
  for (let waited = false; ; waited = true) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    let gone;
    try {
      gone = ownerIsGone(lock);
    } catch {
      continue; // It was released between the two calls.
    }
    if (gone) {
      rmSync(lock, { recursive: true, force: true });
      continue;
    }
    if (!waited) log('another build is running; waiting for it');
    await sleep(250);
  }
  try {
    writeFileSync(join(lock, 'pid'), String(process.pid));
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Shows `[ 12%]` (make) and `[12/80]` (ninja) lines: in place on a terminal, else every tenth percent. */
export function progressReporter(log) {
  const terminal = process.stderr.isTTY && log === logToStandardError;
  let shown = -1;
  return (line) => {
    const make = /^\[ *(\d+)%\]/.exec(line);
    const ninja = /^\[(\d+)\/(\d+)\]/.exec(line);
    if (!make && !ninja) return;
    const percent = make
      ? Number(make[1])
      : Math.floor((100 * Number(ninja[1])) / Number(ninja[2]));
    if (terminal) {
      process.stderr.write(`\rstriate: compiling ${percent} %${percent === 100 ? '\n' : ''}`);
    } else if (percent >= shown + 10) {
      shown = percent - (percent % 10);
      log(`compiling ${percent} %`);
    }
  };
}

export function logToStandardError(line) {
  process.stderr.write(`striate: ${line}\n`);
}

/** Runs a command; every line of output goes to `onLine` and to the file `logFile`. */
export function run(command, args, logFile, onLine) {
  return new Promise((resolve, reject) => {
    const file = createWriteStream(logFile, { flags: 'a' });
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let rest = '';
    const take = (chunk) => {
      file.write(chunk);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      lines.forEach(onLine);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', reject);
    child.on('close', (code) => file.end(() => resolve(code ?? 1)));
  });
}

/** The first line of a log that tells of an error. */
export const firstError = (logFile) =>
  readFileSync(logFile, 'utf8')
    .split('\n')
    .find((line) => /\berror\b|CMake Error|undefined reference/i.test(line))
    ?.trim();

/** Configures and compiles in `workFolder`; returns the path of the new addon. */
async function compile(workFolder, logFile, log) {
  const tool = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const common = [
    '--directory',
    packageRoot,
    '--out',
    workFolder,
    `--CDSTRIATE_VERSION=${version}`,
    `--CDSTRIATE_SOURCE_HASH=${sourceHash()}`,
    '--parallel',
    String(availableParallelism()),
  ];
  const progress = progressReporter(log);
  for (const command of ['configure', 'build']) {
    const code = await run(process.execPath, [tool, command, ...common], logFile, progress);
    if (code === 0) continue;
    const error = firstError(logFile) ?? `cmake-js ${command} ended with code ${code}`;
    throw new BuildError(`the native addon does not build: ${error}`, `Read ${logFile}`, logFile);
  }
  return join(workFolder, 'Release', 'striate.node');
}

/** Copies beside the target, then renames, so that nobody ever loads half a file. */
export function putInPlace(built, target) {
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  copyFileSync(built, temporary);
  renameSync(temporary, target);
}

/**
 * Builds the addon unless a current one stands in its place. A clone keeps its object files in
 * `build/objects`; elsewhere the work folder is temporary.
 *
 * @param {{ force?: boolean, log?: (line: string) => void }} options
 * @returns {Promise<{ path: string, built: boolean, seconds: number }>}
 * @throws {BuildError} code `BUILD_FAILED`, with a remedy.
 */
export async function build({ force = false, log = logToStandardError } = {}) {
  const start = performance.now();
  const target = buildTarget();
  const done = (built) => ({ path: target, built, seconds: (performance.now() - start) / 1000 });
  if (!force && isCurrent(target)) return done(false);

  const missing = missingTools();
  if (missing)
    throw new BuildError(missing, 'Install what is missing, then run: npx striate build');

  const root = target === packageAddon ? join(packageRoot, 'build') : dirname(target);
  return locked(join(root, 'lock'), log, async () => {
    if (!force && isCurrent(target)) return done(false);
    const keep = isClone && target === packageAddon;
    const workFolder = keep ? join(root, 'objects') : mkdtempSync(join(root, 'work-'));
    const logFile = join(root, 'build.log');
    mkdirSync(workFolder, { recursive: true });
    rmSync(logFile, { force: true });
    try {
      log(`building the native addon for ${process.platform}-${process.arch} in ${root}`);
      const built = await compile(workFolder, logFile, log);
      if (!isCurrent(built)) {
        const { reason = 'it names other sources' } = inspectAddon(built);
        throw new BuildError(`the new addon is not usable: ${reason}`, `Read ${logFile}`, logFile);
      }
      putInPlace(built, target);
      const result = done(true);
      log(`built ${target} in ${result.seconds.toFixed(0)} s`);
      return result;
    } finally {
      if (!keep) rmSync(workFolder, { recursive: true, force: true });
    }
  });
}
