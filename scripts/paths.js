/**
 * Where the package's binaries may lie, and what they are made from. Used by the install script, by
 * `striate build` and by the loader (lib/runtime/addon.ts), so that they cannot disagree.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const packageRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Version of the package that this file belongs to. */
export const version = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')).version;

/** True in a clone: the TypeScript sources are not part of the published package. */
export const isClone =
  existsSync(join(packageRoot, 'lib')) || existsSync(join(packageRoot, '.git'));

const files = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return files(path);
    return entry.isFile() ? [path] : [];
  });

/** Folders of native/ that the addon is compiled from; the package holds these. */
const sourceFolders = ['addon', 'cpu', 'ops', 'runtime'];

const hashes = new Map();

/** 16 hex digits over the names and contents of all files in folders of native/, and `more` files. */
function hashOf(names, more) {
  const key = names.join();
  if (!hashes.has(key)) hashes.set(key, computeHash(names, more));
  return hashes.get(key);
}

/** 16 hex digits over the names and contents of all that the addon is compiled from. */
export const sourceHash = () => hashOf(sourceFolders, [join(packageRoot, 'CMakeLists.txt')]);

/** The same for the library of the CUDA device, or for the one that runs on the emulated card. */
export const cudaSourceHash = (emulated = false) =>
  hashOf(
    ['cuda', 'ops', ...(emulated ? ['emulator'] : [])],
    [
      join(packageRoot, 'native', 'runtime', 'plugin.h'),
      join(packageRoot, 'native', 'runtime', 'error.h'),
    ],
  );

function computeHash(names, more) {
  const folders = names.map((folder) => join(packageRoot, 'native', folder));
  const sources = [...more, ...folders.flatMap(files)]
    .map((path) => ({ path, name: relative(packageRoot, path).split(sep).join('/') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const digest = createHash('sha256');
  for (const { path, name } of sources) {
    const content = readFileSync(path);
    digest.update(`${name}\0${content.length}\0`).update(content);
  }
  return digest.digest('hex').slice(0, 16);
}

/** `linux-x64-glibc`: what a binary runs on. */
export function platformName() {
  if (process.platform !== 'linux') return `${process.platform}-${process.arch}`;
  // Without the network section the report is made in about a millisecond.
  process.report.excludeNetwork = true;
  const glibc = process.report.getReport().header.glibcVersionRuntime;
  return `linux-${process.arch}-${glibc === undefined ? 'musl' : 'glibc'}`;
}

/** The user's cache folder for this version and these sources. */
export function cacheFolder() {
  const base =
    process.env.STRIATE_CACHE ??
    join(
      process.env.XDG_CACHE_HOME ??
        (process.platform === 'darwin'
          ? join(homedir(), 'Library', 'Caches')
          : join(homedir(), '.cache')),
      'striate',
    );
  return join(base, `${version}-${sourceHash()}-${platformName()}`);
}

/** Where `striate build` puts the addon when the package is writable. */
export const packageAddon = join(packageRoot, 'build', 'Release', 'striate.node');

function platformPackage(file) {
  const name = `@striate/${platformName()}`;
  try {
    const root = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    return { name, path: join(root, file) };
  } catch {
    return { name, path: undefined };
  }
}

/**
 * The places where a binary is looked for, in order. `path` is undefined for a platform package that is
 * not installed. With the environment variable set nothing else is tried.
 */
function candidates(variable, file) {
  const named = process.env[variable];
  if (named) return [{ from: variable, path: resolve(named) }];
  const platform = platformPackage(file);
  return [
    { from: 'package', path: join(dirname(packageAddon), file) },
    { from: platform.name, path: platform.path },
    { from: 'cache', path: join(cacheFolder(), file) },
  ];
}

/** Where the addon is looked for. */
export const addonCandidates = () => candidates('STRIATE_ADDON', 'striate.node');

/** Where the library of the CUDA device is looked for, or the one for the emulated card. */
export const cudaCandidates = (emulated = false) =>
  emulated
    ? candidates('STRIATE_CUDA_EMULATED', 'striate_cuda_emulated.so')
    : candidates('STRIATE_CUDA', 'striate_cuda.so');

/** The program beside a CUDA library that says whether it works. */
export const probeBeside = (library) => join(dirname(library), 'striate_probe');
