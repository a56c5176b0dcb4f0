// The whole case table, found by way of native/ops/ops.def.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { FamilyCases, OpCases } from './cases.js';

/** The families of `ops.def`. */
export const families: readonly string[] = [
  ...readFileSync(new URL('../../native/ops/ops.def', import.meta.url), 'utf8').matchAll(
    /^STRIATE_OPS\((\w+),/gm,
  ),
].map((match) => match[1]!);

const load = createRequire(import.meta.url);

/** Cases by op. A family without a file has none; the op test is red for its ops. */
export function loadTable(): ReadonlyMap<string, OpCases> {
  const table = new Map<string, OpCases>();
  for (const family of families) {
    const file = fileURLToPath(new URL(`./${family}.ts`, import.meta.url));
    if (!existsSync(file)) continue;
    const module = load(file) as { default: FamilyCases };
    for (const op of module.default) table.set(op.op, op);
  }
  return table;
}
