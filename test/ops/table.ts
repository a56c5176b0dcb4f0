// The whole case table, found by way of native/ops/ops.def.
import { existsSync, readFileSync } from 'node:fs';
import type { FamilyCases, OpCases } from './cases.js';

/** The families of `ops.def`. */
export const families: readonly string[] = [
  ...readFileSync(new URL('../../native/ops/ops.def', import.meta.url), 'utf8').matchAll(
    /^STRIATE_OPS\((\w+),/gm,
  ),
].map((match) => match[1]!);

/** Cases by op. A family without a file has none; the op test is red for its ops. */
export async function loadTable(): Promise<ReadonlyMap<string, OpCases>> {
  const table = new Map<string, OpCases>();
  for (const family of families) {
    const file = new URL(`./${family}.ts`, import.meta.url);
    if (!existsSync(file)) continue;
    const module = (await import(file.href)) as { default: FamilyCases };
    for (const op of module.default) table.set(op.op, op);
  }
  return table;
}
