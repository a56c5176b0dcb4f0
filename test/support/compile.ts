import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../scripts/paths.js';

const run = promisify(execFile);

/** Objects and programs of earlier runs, each named by a hash of all that it was made from. */
const folder = join(packageRoot, 'build', 'test-native');

const compiler = process.env.CXX ?? 'c++';

const hashOf = (...parts: readonly (string | Buffer)[]): string => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(`${part.length}\0`).update(part);
  return digest.digest('hex').slice(0, 20);
};

function headersOf(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) return headersOf(inner);
    return entry.name.endsWith('.h') ? [inner] : [];
  });
}

let shared: string | undefined;
/** The compiler and every header of the project: an object depends on no other file beside its source. */
function environment(): string {
  if (shared !== undefined) return shared;
  const folders = ['emulator', 'cuda', 'ops', 'runtime'].map((f) => join(packageRoot, 'native', f));
  folders.push(join(packageRoot, 'test', 'native'));
  const version = execFileSync(compiler, ['--version'], { encoding: 'utf8' });
  const headers = folders.flatMap(headersOf).sort();
  shared = hashOf(version, ...headers.flatMap((h) => [h, readFileSync(h)]));
  return shared;
}

let launcher: string[] | undefined;
/** ccache, where it is installed. */
function compile(): string[] {
  if (launcher !== undefined) return launcher;
  try {
    execFileSync('ccache', ['--version'], { stdio: 'ignore' });
    launcher = ['ccache', compiler];
  } catch {
    launcher = [compiler];
  }
  return launcher;
}

async function build(output: string, command: readonly string[]): Promise<string> {
  if (existsSync(output)) return output;
  mkdirSync(folder, { recursive: true });
  const partial = `${output}.${process.pid}`;
  const [program, ...args] = command;
  await run(program!, [...args, '-o', partial], { cwd: packageRoot, maxBuffer: 2 ** 26 });
  renameSync(partial, output);
  return output;
}

/** All C++ sources of a folder of native/, for `buildProgram`. */
export const sourcesIn = (path: string): string[] =>
  readdirSync(join(packageRoot, path))
    .filter((file) => file.endsWith('.cpp'))
    .sort()
    .map((file) => join(path, file));

/** The emulator and the host code that its tests call. */
export const emulatorSources = (): string[] => [
  ...sourcesIn('native/emulator'),
  ...sourcesIn('native/cuda/blas'),
];

/**
 * Compiles and links C++ and CUDA sources against the emulator, and returns the program's path. What was
 * built before from the same files is not built again.
 *
 * @param sources Paths from the package's root.
 */
export async function buildProgram(
  sources: readonly string[],
  flags: readonly string[] = [],
): Promise<string> {
  const options = ['-std=c++17', '-O1', '-fPIC', '-Inative', '-Inative/emulator/include', ...flags];
  const objects: string[] = [];
  const rest = [...sources];
  const work = async (): Promise<void> => {
    for (let source = rest.shift(); source !== undefined; source = rest.shift()) {
      const hash = hashOf(
        environment(),
        options.join(' '),
        source,
        readFileSync(join(packageRoot, source)),
      );
      const object = join(folder, `${basename(source)}-${hash}.o`);
      objects.push(await build(object, [...compile(), ...options, '-x', 'c++', '-c', source]));
    }
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
  objects.sort();
  const program = join(folder, `program-${hashOf(flags.join(' '), ...objects)}`);
  return build(program, [compiler, ...flags, ...objects, '-lpthread', '-ldl']);
}

/** Compiles one C++ source as it stands into a shared library. */
export async function buildLibrary(output: string, source: string): Promise<void> {
  const child = run(compiler, ['-shared', '-fPIC', '-x', 'c++', '-', '-o', output]);
  child.child.stdin?.end(source);
  await child;
}

/** Whether a source compiles; the compiler's words when it does not. */
export async function compiles(
  source: string,
  flags: readonly string[],
): Promise<string | undefined> {
  try {
    await run(compiler, ['-std=c++17', '-fsyntax-only', '-Inative', ...flags, source], {
      cwd: packageRoot,
    });
    return undefined;
  } catch (error) {
    return (error as { stderr?: string }).stderr ?? String(error);
  }
}

/** Runs a program to its end and returns what it printed, whatever its exit status. */
export async function output(
  program: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const { stdout, stderr } = await run(program, args, { env, maxBuffer: 2 ** 26 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code: code ?? -1, stdout, stderr };
  }
}
