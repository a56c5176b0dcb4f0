// The common table of op cases on a CUDA device.
import { isHalf } from '../../lib/program/half.js';
import '../ops/definitions.js';
import type { Numbers, OpCase, OpCases, Precision } from '../ops/cases.js';
import { expectNone } from '../ops/compare.js';
import { wrongOutputs } from '../ops/expected.js';
import { native, runCase, Runner } from '../ops/run.js';
import { loadTable } from '../ops/table.js';
import { Card, type Schedule } from './emulated.js';

const sameBits = (a: Numbers, b: Numbers): boolean =>
  a.length === b.length && Array.from(a).every((value, i) => Object.is(value, b[i]));

/**
 * One test an op: every case meets the bounds of the CPU device under the first schedule and gives the
 * same bits under the others. In 16 bits only ops that know volumes run; test/ops/compare.ts has the bounds.
 *
 * @param find The device's library; skips the group where there is none.
 * @param schedules Of the emulated card; none for a real one, where every case runs twice.
 */
export function opTests(
  find: (context: Mocha.Context) => string,
  schedules: readonly Schedule[],
  precision: Precision = 'float32',
): void {
  const table = loadTable();
  let library = '';
  before(function () {
    library = find(this);
  });
  for (const { name, operands } of native.describeOps()) {
    if (isHalf(precision) && !operands.some(({ element }) => element === 'storage')) continue;
    it(name, async () => {
      const op = table.get(name)!;
      const runner = Runner.openPlugin(library);
      const card = schedules.length > 0 ? new Card(library) : undefined;
      const runs = schedules.map((schedule) => ({
        name: `, ${schedule.order}, ${schedule.timing}`,
        begin: () => card?.schedule(schedule),
      }));
      const twice = ['', ', again'].map((again) => ({ name: again, begin: () => undefined }));
      const failures: string[] = [];
      try {
        for (const c of some(op.cases))
          failures.push(
            ...(await problems(runner, op, c, precision, card === undefined ? twice : runs)),
          );
      } finally {
        card?.schedule({ order: 'forward', timing: 'late' });
        await runner.close();
      }
      expectNone(failures);
    });
  }
}

/** The sanitizers' run takes this many cases of every op, spread over its table. */
const most = Number(process.env.STRIATE_TEST_CASES ?? Infinity);
function some(cases: readonly OpCase[]): readonly OpCase[] {
  if (most >= cases.length) return cases;
  return Array.from({ length: most }, (_, i) => cases[Math.floor((i * cases.length) / most)]!);
}

interface Run {
  name: string;
  begin(): void;
}

async function problems(
  runner: Runner,
  op: OpCases,
  c: OpCase,
  precision: Precision,
  runs: readonly Run[],
): Promise<string[]> {
  let first: Record<string, Numbers> | undefined;
  const failures: string[] = [];
  for (const run of runs) {
    const where = c.name + run.name;
    run.begin();
    try {
      const outputs = await runCase(runner, op.op, c, precision);
      if (first === undefined) {
        failures.push(
          ...wrongOutputs(op, c, outputs, precision).map((wrong) => `${where}: ${wrong}`),
        );
        first = outputs;
      } else {
        for (const [output, values] of Object.entries(outputs))
          if (!sameBits(values, first[output]!))
            failures.push(`${where}: ${output} has other bits`);
      }
    } catch (error) {
      failures.push(`${where}: ${(error as Error).message}`);
    }
  }
  return failures;
}
