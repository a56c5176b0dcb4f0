// Every gradient of every op that has one, against central differences of the op itself in float64, with
// a random gradient from above. Ops with gradients are those whose definition has a `backward`; which
// inputs have one is found by asking that rule for all.
import { expect } from 'chai';
import { denseOperands, forwardValues, Gradients } from './ops/backward.js';
import {
  elements,
  generate,
  uniform,
  type Numbers,
  type OpCase,
  type OpCases,
} from './ops/cases.js';
import { expectNone } from './ops/compare.js';
import { listOps } from './ops/definitions.js';
import type { OpDefinition } from '../lib/program/op.js';
import { native, Runner, type Given } from './ops/run.js';
import { loadTable } from './ops/table.js';

const tolerance = 1e-7;
/** Elements of one input that are moved; spread evenly over larger ones. */
const mostMoved = 40;
/** Cases of an op that are checked; all in the full run. */
const mostCases = process.env.STRIATE_TEST_ALL === '1' ? Infinity : 32;
/** Cases above this many elements show nothing that smaller ones do not. */
const largestCase = 6000;

/** Inputs that are constants by definition: statistics of former batches. */
const constants: Readonly<Record<string, readonly string[]>> = {
  batchNormInference: ['mean', 'variance'],
};

const table = loadTable();
/** Inputs of losses that have no gradient: what is compared with, and how it counts. */
const withoutGradient = ['labels', 'target', 'weights'];
/** Ops that the rules emitted. */
const used = new Set<string>();

/**
 * By which amount an element is moved: a power of two, so that nothing is rounded. The error of the
 * difference is about step^2 |f'''| / 6, that of rounding 1e-16 |f| / step.
 */
const step = 2 ** -17;

/** The number whose gradient is taken: upstream gradients times outputs, or the op's own objective. */
function change(
  op: OpCases,
  c: OpCase,
  upstream: ReadonlyMap<string, Numbers>,
  plus: Record<string, Numbers>,
  minus: Record<string, Numbers>,
): number {
  if (upstream.size === 0) return op.objective!(plus, c) - op.objective!(minus, c);
  let sum = 0;
  for (const [output, dy] of upstream)
    for (let i = 0; i < dy.length; ++i) sum += dy[i]! * (plus[output]![i]! - minus[output]![i]!);
  return sum;
}

async function checkCase(
  runner: Runner,
  definition: OpDefinition,
  op: OpCases,
  c: OpCase,
  found: Set<string>,
): Promise<string[]> {
  const { name } = definition;
  const values = await forwardValues(runner, name, c);
  const floats = definition.operands
    .filter((o) => o.role === 'in' && values[o.name]?.dtype === 'float64')
    .map((o) => o.name);
  const scope = new Gradients(definition, c, new Set(floats), values, (output, count) =>
    generate(uniform(-1, 1), count, `gradcheck/${name}/${c.name}/${output}`),
  );
  definition.backward!(scope);
  for (const op of scope.ops) used.add(op);
  const gradients = await scope.run(runner, c.control);

  const wrong: string[] = [];
  for (const [input, gradient] of Object.entries(gradients)) {
    found.add(input);
    const given = denseOperands(name, c);
    const before = Float64Array.from(given[input]!.contents);
    const moved = (i: number, by: number): Promise<Record<string, Numbers>> => {
      const contents = before.slice();
      contents[i]! += by;
      const operands: Record<string, Given> = { ...given, [input]: { ...given[input]!, contents } };
      return runner.run(name, c.attributes, operands, c.control);
    };
    const count = Math.min(before.length, mostMoved);
    let distance = 0;
    let size = 0;
    for (let k = 0; k < count; ++k) {
      const i = Math.floor((k * before.length) / count);
      const [plus, minus] = await Promise.all([moved(i, step), moved(i, -step)]);
      const numeric = change(op, c, scope.upstream, plus, minus) / (2 * step);
      distance += (gradient[i]! - numeric) ** 2;
      size += numeric ** 2;
    }
    const relative = distance === 0 ? 0 : Math.sqrt(distance / size);
    if (!(relative < tolerance))
      wrong.push(`${c.name}: gradient by ${input} is off by ${relative.toExponential(2)}`);
  }
  return wrong;
}

describe('numeric gradients', () => {
  const differentiable = listOps().filter((op) => op.backward !== undefined);

  for (const definition of differentiable) {
    const { name } = definition;
    it(name, async () => {
      const op = table.get(name);
      expect(op, `cases of ${name} in test/ops`).to.not.equal(undefined);
      const size = (c: OpCase): number =>
        [...Object.values(c.inputs), ...Object.values(c.outputs)].reduce(
          (sum, o) => sum + elements(o.shape),
          0,
        );
      const all = op!.cases.filter((c) => c.noGradient === undefined && size(c) <= largestCase);
      // Spread over the table: all of a long one would take seconds.
      const step = Math.max(1, all.length / mostCases);
      const cases = all.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
      expect(cases.length).to.be.at.least(15);
      const runner = Runner.open({ instructionSet: 'baseline', threads: 1 });
      const found = new Set<string>();
      const wrong: string[] = [];
      for (const c of cases) wrong.push(...(await checkCase(runner, definition, op!, c, found)));
      await runner.close();
      expectNone(wrong);
      const floats = native.describeOps().find((o) => o.name === name)!;
      const unchecked = floats.operands.filter(
        (o) =>
          o.role === 'in' &&
          !withoutGradient.includes(o.name) &&
          !found.has(o.name) &&
          !(constants[name] ?? []).includes(o.name),
      );
      expect(
        unchecked.map((o) => o.name),
        'inputs whose gradient nobody computed',
      ).to.deep.equal([]);
    });
  }

  it('every backward op was used by one of the rules above', () => {
    const unused = listOps().filter(({ name }) => name.includes('Backward') && !used.has(name));
    expect(unused.map(({ name }) => name)).to.deep.equal([]);
  });
});
