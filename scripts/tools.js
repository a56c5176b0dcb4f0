/** Finds the programs that a build needs. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Full path of the first of `names` that stands in one of `folders` (default: PATH). */
export function findProgram(names, folders = (process.env.PATH ?? '').split(delimiter)) {
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        if (statSync(path).isFile()) return path;
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}

/**
 * What `path --version` prints: what `pattern` matches of it, else the first line; undefined when it
 * does not run.
 */
export function programVersion(path, pattern = /.*/) {
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 10_000 };
    return pattern.exec(execFileSync(path, ['--version'], options))?.[0].trim();
  } catch {
    return undefined;
  }
}

/** What the CPU build needs: any one of `names`, in Debian's `debian` package. */
export const buildTools = [
  { name: 'C++ compiler', names: ['g++', 'clang++'], debian: 'g++' },
  { name: 'make', names: ['make', 'ninja'], debian: 'make' },
  { name: 'CMake', names: ['cmake'], debian: 'cmake' },
];

export const installTools = 'apt-get install -y g++ make cmake';

/** One line that names every missing tool, or undefined when none is missing. */
export function missingTools() {
  const missing = buildTools.filter((tool) => findProgram(tool.names) === undefined);
  if (missing.length === 0) return undefined;
  const names = missing.map((tool) => tool.name).join(', ');
  return `missing to build the native addon: ${names}. Install with: ${installTools}`;
}
