import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { temporaryFolder } from '../support/digits.js';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const library = new URL('../../lib/index.ts', import.meta.url).href;

interface Block {
  /** The heading above it. */
  readonly heading: string;
  readonly code: string;
  /** What the document says that each `console.log` prints. */
  readonly printed: readonly string[];
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let heading = '';
  for (const [, title, code] of markdown.matchAll(/^#+ (.*)$|^```ts\n([\s\S]*?)^```$/gm)) {
    if (code === undefined) {
      heading = title!;
      continue;
    }
    const logs = [...code.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)];
    expect(logs, `${heading}: every console.log says what it prints`).to.have.length(
      code.split('console.log(').length - 1,
    );
    blocks.push({ heading, code, printed: logs.map(([, text]) => text!) });
  }
  return blocks;
}

/** Runs a block as a module of its own; returns what it printed. */
async function run(file: string, code: string): Promise<string[]> {
  const source = code.replaceAll("from 'striate'", `from '${library}'`);
  writeFileSync(file, source);
  const printed: string[] = [];
  const { log } = console;
  console.log = (...values: unknown[]) => printed.push(values.map(String).join(' '));
  try {
    await import(pathToFileURL(file).href);
  } finally {
    console.log = log;
  }
  return printed;
}

describe('the tutorial', () => {
  const folder = temporaryFolder();
  const blocks = blocksOf(readFileSync(path('../../docs/tutorial.md'), 'utf8'));

  it('has code in every section', () => {
    expect(blocks.length).to.be.at.least(15);
  });

  for (const [i, { heading, code, printed }] of blocks.entries())
    it(`${heading} (${i + 1})`, async () => {
      expect(await run(join(folder(), `block${i + 1}.mts`), code)).to.deep.equal(printed);
    });
});
