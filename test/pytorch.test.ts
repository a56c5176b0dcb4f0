// Every op against what PyTorch computed in float64 (test/fixtures/pytorch_ops.py, one file a family);
// PyTorch itself is not needed.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSafetensors } from '../lib/formats/safetensors.js';
import type { Compute } from './ops/cases.js';
import { tolerances, expectNone } from './ops/compare.js';
import './ops/definitions.js';
import { digestDifference } from './ops/digest.js';
import { runCase, Runner } from './ops/run.js';
import { loadTable } from './ops/table.js';

const folder = fileURLToPath(new URL('./fixtures/pytorch_ops/', import.meta.url));

describe('PyTorch', () => {
  const stored = new Map<string, ArrayLike<number>>();
  before(async () => {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.safetensors'))) {
      const { tensors } = await readSafetensors(join(folder, file));
      for (const [name, { data }] of tensors) stored.set(name, data as Float64Array);
    }
  });

  const table = loadTable();
  const runs: readonly { compute: Compute; instructionSet: string }[] = [
    { compute: 'float64', instructionSet: 'baseline' },
    { compute: 'float32', instructionSet: 'best' },
  ];

  it('has values for exactly the cases of the table', () => {
    const wanted = [...table.values()].flatMap(({ op, cases }) =>
      cases
        .filter((c) => c.noTorch === undefined)
        .flatMap((c) => {
          const outputs = Object.keys(c.outputs).filter((name) => name !== 'switches');
          return (outputs.length > 0 ? outputs : ['commit']).map(
            (output) => `${op}/${c.name}/${output}`,
          );
        }),
    );
    const missing = wanted.filter((name) => !stored.has(name));
    const stale = [...stored.keys()].filter((name) => !wanted.includes(name));
    const remedy = 'run test/fixtures/pytorch_ops.py';
    expect(missing, `cases without values: ${remedy}`).to.deep.equal([]);
    expect(stale, `values without cases: ${remedy}`).to.deep.equal([]);
  });

  for (const { op, cases } of table.values()) {
    const compared = cases.filter((c) => c.noTorch === undefined);
    if (compared.length === 0) continue;
    it(op, async () => {
      const failures: string[] = [];
      for (const { compute, instructionSet } of runs) {
        const runner = Runner.open({ instructionSet });
        for (const c of compared) {
          // Updates need what was there before; any other op shows its own result.
          const updates = Object.values(c.outputs).some(({ previous }) => previous !== undefined);
          const actual = await runCase(runner, op, c, compute, updates ? undefined : 'overwrite');
          for (const [output, values] of Object.entries(actual)) {
            const digest = stored.get(`${op}/${c.name}/${output}`);
            if (digest === undefined) continue;
            const wrong = digestDifference(values, digest, tolerances[compute]);
            if (wrong !== undefined) failures.push(`${compute} ${c.name}: ${output} ${wrong}`);
          }
        }
        await runner.close();
      }
      expectNone(failures);
    });
  }
});
