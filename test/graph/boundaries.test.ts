import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const lib = resolve(dirname(fileURLToPath(import.meta.url)), '../../lib');
const pure = [
  'conversions',
  'graph',
  'layers',
  'losses',
  'initializers',
  'optimizers',
  'schedules',
  'program',
  'reports',
];

/** What a module loads when it is imported: types and `import()` are left out. */
function importsOf(file: string): string[] {
  const source = readFileSync(file, 'utf8');
  const found = source.matchAll(
    /^(?:import|export)\s+(?!type\b)(?:[^;'"]*?\bfrom\s*)?['"](\.[^'"]+)['"]/gm,
  );
  return [...found].map((match) => resolve(dirname(file), match[1]!.replace(/\.js$/, '.ts')));
}

describe('the description and compilation rooms', () => {
  it('load nothing that touches a device', () => {
    const open = pure.flatMap((room) => sourcesOf(join(lib, room)));
    const from = new Map<string, string>();
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      const folder = relative(lib, file).split('/')[0]!;
      expect(
        ['runtime', 'training', 'cli', 'data', 'index.ts'],
        `${relative(lib, file)} is loaded by ${from.get(file) ?? ''}`,
      ).to.not.include(folder);
      for (const imported of importsOf(file)) {
        if (from.has(imported)) continue;
        from.set(imported, relative(lib, file));
        open.push(imported);
      }
    }
  });
});

function sourcesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}
