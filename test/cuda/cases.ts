// The common table of op cases on the emulated CUDA device.
import '../../lib/layers/index.js';
import type { Numbers, OpCase, OpCases } from '../ops/cases.js';
import { expectNone, tolerances } from '../ops/compare.js';
import { wrongOutputs } from '../ops/expected.js';
import { native, runCase, Runner } from '../ops/run.js';
import { loadTable } from '../ops/table.js';
import { Card, emulatedLibrary, type Schedule } from './emulated.js';

const sameBits = (a: Numbers, b: Numbers): boolean =>
  a.length === b.length && Array.from(a).every((value, i) => Object.is(value, b[i]));

/**
 * One test an op: every case meets the bounds of the CPU device under the first schedule and gives the
 * same bits under the others.
 *
 * @param choose The cases to run, of all that an op has.
 */
export function opTests(
  schedules: readonly Schedule[],
  choose: (cases: readonly OpCase[]) => readonly OpCase[],
): void {
  const table = loadTable();
  let library = '';
  before(function () {
    library = emulatedLibrary(this);
  });
  for (const { name } of native.describeOps()) {
    it(name, async () => {
      const op = table.get(name)!;
      const card = new Card(library);
      const runner = Runner.openPlugin(library);
      const failures: string[] = [];
      try {
        for (const c of choose(op.cases))
          failures.push(...(await problems(runner, card, op, c, schedules)));
      } finally {
        card.schedule({ order: 'forward', timing: 'late' });
        await runner.close();
      }
      expectNone(failures);
    });
  }
}

async function problems(
  runner: Runner,
  card: Card,
  op: OpCases,
  c: OpCase,
  schedules: readonly Schedule[],
): Promise<string[]> {
  let first: Record<string, Numbers> | undefined;
  const failures: string[] = [];
  for (const schedule of schedules) {
    const where = `${c.name}, ${schedule.order}, ${schedule.timing}`;
    card.schedule(schedule);
    try {
      const outputs = await runCase(runner, op.op, c, 'float32');
      if (first === undefined) {
        failures.push(
          ...wrongOutputs(op, c, outputs, tolerances.float32).map((wrong) => `${where}: ${wrong}`),
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
