// Every op against its double-precision reference, on every instruction set, over the case table.
import { expect } from 'chai';
import './ops/definitions.js';
import type { OpCase } from './ops/cases.js';
import { expectNone } from './ops/compare.js';
import { wrongOutputs } from './ops/expected.js';
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
              for (const wrong of wrongOutputs(op!, c, actual, compute))
                failures.push(`${c.name}: ${wrong}`);
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
