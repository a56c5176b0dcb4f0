#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(main)) {
  const { main: run } = await import(main.href);
  await run(process.argv.slice(2));
} else {
  process.stderr.write(
    'striate: dist/ is missing; compile the TypeScript sources with: npm run prepare\n',
  );
  process.exitCode = 1;
}
