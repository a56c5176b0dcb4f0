// Every op against its double-precision reference, on every instruction set, over the case table.
import { expect } from 'chai';
import '../lib/layers/index.js';
import type { Numbers, OpCase, OpCases } from './ops/cases.js';
import { inputsOf, previousOf } from './ops/cases.js';
import { difference, tolerances, expectNone } from './ops/compare.js';
import { native, runCase, Runner } from './ops/run.js';
import { loadTable } from './ops/table.js';

const fewestCases = 20;
const table = loadTable();
const sets = native.describeCpu().instructionSets;
const runs = [
  ...sets.map((instructionSet) => ({ instructionSet, compute: 'float32' as const })),
  { instructionSet: 'baseline', compute: 'float64' as const },
];

/** The sanitizers' run takes this many cases of every op, spread over its table. */
const most = Number(process.env.STRIATE_TEST_CASES ?? Infinity);
function some(cases: readonly OpCase[]): readonly OpCase[] {
  if (most >= cases.length) return cases;
  return Array.from({ length: most }, (_, i) => cases[Math.floor((i * cases.length) / most)]!);
}

/** The reference, plus what an accumulating output held before; computed once for all runs. */
const known = new Map<OpCase, Record<string, Numbers>>();
function expected(op: OpCases, c: OpCase): Record<string, Numbers> {
  let outputs = known.get(c);
  if (outputs !== undefined) return outputs;
  outputs = { ...op.reference(inputsOf(op.op, c), c) };
  for (const [name, { accumulate, previous }] of Object.entries(c.outputs)) {
    // With a `previous` of its own the op is an update, and the reference knows what was there.
    if (!accumulate || previous !== undefined) continue;
    const before = previousOf(op.op, c, name);
    outputs[name] = Float64Array.from(outputs[name]!, (value, i) => value + before[i]!);
  }
  known.set(c, outputs);
  return outputs;
}

describe('ops', () => {
  for (const { name } of native.describeOps()) {
    describe(name, () => {
      const op = table.get(name);

      it(`has at least ${fewestCases} cases, all of different names`, () => {
        expect(op?.cases.length ?? 0, `cases of ${name} in test/ops`).to.be.at.least(fewestCases);
        expect(new Set(op!.cases.map((c) => c.name))).to.have.lengthOf(op!.cases.length);
      });

      for (const { instructionSet, compute } of op === undefined ? [] : runs) {
        it(`${compute} on ${instructionSet}`, async () => {
          const runner = Runner.open({ instructionSet });
          const failures: string[] = [];
          for (const c of some(op!.cases)) {
            try {
              const actual = await runCase(runner, name, c, compute);
              const wanted = expected(op!, c);
              expect(Object.keys(actual), `outputs of ${c.name}`).to.have.members(
                Object.keys(wanted),
              );
              for (const [output, values] of Object.entries(wanted)) {
                const wrong = difference(actual[output]!, values, tolerances[compute]);
                if (wrong !== undefined) failures.push(`${c.name}: ${output} ${wrong}`);
              }
            } catch (error) {
              failures.push(`${c.name}: ${(error as Error).message}`);
            }
          }
          await runner.close();
          expectNone(failures);
        });
      }
    });
  }
});
