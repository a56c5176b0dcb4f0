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

let hash;

/** 16 hex digits over the names and contents of all that the addon is compiled from. */
export function sourceHash() {
  if (hash !== undefined) return hash;
  const folders = sourceFolders.map((folder) => join(packageRoot, 'native', folder));
  const sources = [join(packageRoot, 'CMakeLists.txt'), ...folders.flatMap(files)]
    .map((path) => ({ path, name: relative(packageRoot, path).split(sep).join('/') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const digest = createHash('sha256');
  for (const { path, name } of sources) {
    const content = readFileSync(path);
    digest.update(`${name}\0${content.length}\0`).update(content);
  }
  hash = digest.digest('hex').slice(0, 16);
  return hash;
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

function platformPackage() {
  const name = `@striate/${platformName()}`;
  try {
    const root = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
    return { name, path: join(root, 'striate.node') };
  } catch {
    return { name, path: undefined };
  }
}

/**
 * The places where the addon is looked for, in order. `path` is undefined for a platform package that
 * is not installed. With `STRIATE_ADDON` set nothing else is tried.
 */
export function addonCandidates() {
  if (process.env.STRIATE_ADDON) {
    return [{ from: 'STRIATE_ADDON', path: resolve(process.env.STRIATE_ADDON) }];
  }
  const platform = platformPackage();
  return [
    { from: 'package', path: packageAddon },
    { from: platform.name, path: platform.path },
    { from: 'cache', path: join(cacheFolder(), 'striate.node') },
  ];
}
