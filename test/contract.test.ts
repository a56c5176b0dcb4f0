// What the native ops and their TypeScript twins promise each other and the compiler.
import { expect } from 'chai';
import { elements, type Compute, type Numbers, type OpCase } from './ops/cases.js';
import { difference, tolerances, expectNone } from './ops/compare.js';
import { convWorkspace } from '../lib/layers/conv2d-ops.js';
import { findOp, listOps } from './ops/definitions.js';
import { native, nativeOps, operandsOf, packAttributes, Runner, type Given } from './ops/run.js';
import { families, loadTable } from './ops/table.js';

const table = loadTable();
const outputsOf = (op: string): string[] =>
  nativeOps
    .get(op)!
    .operands.filter((o) => o.role === 'out' && o.name !== 'workspace')
    .map((o) => o.name);

const codeOf = async (run: () => Promise<unknown>): Promise<string | undefined> => {
  try {
    await run();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};

const sameBits = (a: Numbers, b: Numbers): boolean =>
  a.length === b.length && Array.from(a).every((v, i) => Object.is(v, b[i]));

/** float64 takes one case of so many. */
const someOf = process.env.STRIATE_TEST_ALL === '1' ? 1 : 4;

describe('op contract', () => {
  it('native families are those of ops.def', () => {
    expect([...new Set(native.describeOps().map((op) => op.family))]).to.have.members([
      ...families,
    ]);
  });

  it('every op is defined on both sides', () => {
    expect(listOps().map((op) => op.name)).to.have.members([...nativeOps.keys()]);
  });

  for (const definition of listOps()) {
    it(`${definition.name}: operands and attributes`, () => {
      const op = nativeOps.get(definition.name)!;
      const operands = definition.operands.map(
        ({ name, role, optional = false, element = 'storage' }) => ({
          name,
          role,
          optional,
          element,
        }),
      );
      expect(operands).to.deep.equal(op.operands);
      const attributes = Object.fromEntries(op.attributes.map(({ name, type }) => [name, type]));
      expect({ ...definition.attributes }).to.deep.equal(attributes);
    });
  }

  it('the smallest workspace is the one that TypeScript computes', async () => {
    const runner = Runner.open();
    const wrong: string[] = [];
    for (const compute of ['float32', 'float64'] as const) {
      const device = compute === 'float64' ? Runner.open({ instructionSet: 'baseline' }) : runner;
      for (const { op, cases } of table.values()) {
        if (findOp(op)?.workspace === undefined) continue;
        for (const c of cases) {
          const { workspace, ...given } = operandsOf(op, c, compute);
          const run = (operands: Record<string, Given>) =>
            codeOf(() => device.run(op, c.attributes, operands, c.control));
          const shorter = workspace && {
            ...workspace,
            shape: [workspace.shape[0]! - 1],
            contents: new Uint8Array(workspace.shape[0]! - 1),
          };
          // Bytes beside the workspace are guarded, so that too small a formula is caught here as well.
          const exact = await run(workspace ? { ...given, workspace } : given);
          const less =
            workspace &&
            (await run(shorter!.shape[0]! > 0 ? { ...given, workspace: shorter! } : given));
          if (exact !== undefined)
            wrong.push(`${op} ${c.name}: ${exact} with the computed workspace`);
          if (workspace && less !== 'INVALID_ARGUMENT')
            wrong.push(`${op} ${c.name}: ${less ?? 'runs'} with less`);
        }
      }
      if (device !== runner) await device.close();
    }
    await runner.close();
    expectNone(wrong);
  });

  it('the convolutions of large networks have the same workspace on both sides', async () => {
    // [size, channels, filters, groups]
    const shapes: readonly (readonly [number, number, number, number])[] = [
      [1, 400, 500, 1],
      [1, 1024, 1000, 1],
      [1, 4096, 1000, 1],
      [3, 64, 64, 1],
      [3, 256, 512, 1],
      [3, 512, 512, 1],
      [5, 96, 256, 2],
      [7, 3, 64, 1],
      [11, 3, 96, 1],
      [3, 512, 512, 32],
      [3, 384, 384, 384],
      [3, 96, 192, 96],
    ];
    const runner = Runner.open({ threads: 1 });
    const buffer = runner.device.allocate(2 ** 25, 'workspace');
    const names = native.describeOps().map((op) => op.name);
    const directions = {
      conv2d: 'forward',
      conv2dBackwardData: 'backwardData',
      conv2dBackwardFilter: 'backwardFilter',
    } as const;
    const wrong: string[] = [];
    for (const [op, direction] of Object.entries(directions))
      for (const [size, channels, filters, groups] of shapes) {
        const [c, k] = [channels / groups, filters];
        const shapeOf: Record<string, number[]> = {
          x: [1, size, size, channels],
          w: [size, size, c, k],
          y: [1, 1, 1, k],
          dy: [1, 1, 1, k],
          dx: [1, size, size, channels],
          dw: [size, size, c, k],
          db: [k],
        };
        const attributes = packAttributes(nativeOps.get(op)!, {
          strideH: 1,
          strideW: 1,
          dilationH: 1,
          dilationW: 1,
          groups,
        });
        const bytes = convWorkspace(direction, size * size, channels, filters, groups, 'float32');
        const operands = nativeOps.get(op)!.operands.map(({ name, role }) => {
          const size = shapeOf[name];
          if (size === undefined) return null;
          const access = role === 'in' ? (1 as const) : (2 as const);
          return { buffer, byteOffset: 0, dtype: 0 as const, access, size, pitch: size.at(-1)! };
        });
        // The refusal names what is needed; without one nothing is.
        const control = { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1 };
        let message = 'at least 0 bytes';
        try {
          await runner.device.execute(names.indexOf(op), attributes, operands, control);
        } catch (error) {
          message = (error as Error).message;
        }
        const needed = Number(/at least (\d+) bytes/.exec(message)?.[1]);
        if (needed !== bytes)
          wrong.push(
            `${op} ${size}x${size} ${channels} to ${filters}, groups ${groups}: ${message}, not ${bytes}`,
          );
      }
    buffer.dispose();
    await runner.close();
    expectNone(wrong);
  }).timeout(20_000);

  for (const [compute, instructionSet] of [
    ['float32', 'best'],
    ['float64', 'baseline'],
  ] as const) {
    it(`1, 2 and 3 threads give the same bits in ${compute}`, async () => {
      const runners = [1, 2, 3].map((threads) => Runner.open({ instructionSet, threads }));
      const wrong: string[] = [];
      // Both types are one source, cut alike: float64 takes some of the cases, all in the full run.
      const step = compute === 'float64' ? someOf : 1;
      for (const { op, cases } of table.values())
        for (const c of cases.filter((_, i) => i % step === 0)) {
          const given = withLongFractions(operandsOf(op, c, compute));
          const [one, ...others] = await Promise.all(
            runners.map((runner) => runner.run(op, c.attributes, given, c.control)),
          );
          for (const [i, other] of others.entries())
            for (const [name, values] of Object.entries(one!))
              if (name !== 'workspace' && !sameBits(values, other[name]!))
                wrong.push(`${op} ${c.name}: ${name} with ${i + 2} threads`);
        }
      await Promise.all(runners.map((runner) => runner.close()));
      expectNone(wrong);
    });
  }

  describe('an output is added to, or adding is refused', () => {
    const added = new Set<string>();
    for (const { op, cases } of table.values())
      it(op, async () => {
        const runner = Runner.open();
        const exact = Runner.open({ instructionSet: 'baseline' });
        const wrong: string[] = [];
        // Both types are one source: float64 takes some of the cases, all in the full run.
        const runs = [
          ['float32', runner, cases],
          ['float64', exact, cases.filter((_, i) => i % someOf === 0)],
        ] as const;
        for (const [compute, device, some] of runs)
          for (const c of some)
            for (const output of outputsOf(op)) {
              if (c.outputs[output] === undefined) continue;
              const problem = await addingProblem(device, op, c, output, compute, added);
              if (problem !== undefined) wrong.push(`${c.name}: ${output} ${problem}`);
            }
        await runner.close();
        await exact.close();
        expectNone(wrong);
      });

    it('all that the compiler accumulates into is added to', () => {
      const gradients = listOps()
        .filter(({ name }) => name.includes('Backward'))
        .flatMap(({ name }) => outputsOf(name).map((output) => `${name}.${output}`));
      const needed = [...gradients, 'binary.y', 'broadcast.y', 'copy.y', 'dropout.y', 'reduce.y'];
      const refusing = needed.filter((output) => !added.has(output));
      expect(refusing, 'outputs that refuse to be added to').to.deep.equal([]);
    });
  });

  it('outputs may lie over the inputs that the definition names', async () => {
    const runner = Runner.open();
    const wrong: string[] = [];
    for (const { name, inPlace = [] } of listOps())
      for (const [output, input] of inPlace)
        for (const c of table.get(name)!.cases) {
          const given = operandsOf(name, c, 'float32', 'overwrite');
          const [y, x] = [given[output], given[input]];
          if (y === undefined || x === undefined) continue;
          if (
            y.pitch !== x.pitch ||
            y.channelOffset !== x.channelOffset ||
            elements(y.shape) !== elements(x.shape)
          )
            continue;
          const apart = await runner.run(name, c.attributes, given, c.control);
          const over = await runner.run(
            name,
            c.attributes,
            { ...given, [output]: { ...y, over: input } },
            c.control,
          );
          if (!sameBits(apart[output]!, over[output]!))
            wrong.push(`${name} ${c.name}: ${output} over ${input}`);
        }
    await runner.close();
    expectNone(wrong);
  });

  it('the comparison sees a fault', () => {
    const right = Float64Array.from({ length: 200 }, (_, i) => Math.sin(i));
    const changed = (i: number, value: number): Float64Array => right.with(i, value);
    for (const compute of ['float32', 'float64'] as const) {
      expect(difference(right, right, tolerances[compute])).to.equal(undefined);
      expect(
        difference(changed(199, 0), right, tolerances[compute]),
        'last element left out',
      ).to.be.a('string');
      expect(
        difference(changed(7, right[7]! * 1.001), right, tolerances[compute]),
        'a little off',
      ).to.be.a('string');
      expect(difference(changed(3, NaN), right, tolerances[compute]), 'NaN').to.be.a('string');
      expect(difference(right, changed(3, NaN), tolerances[compute]), 'NaN swallowed').to.be.a(
        'string',
      );
      expect(difference(right.subarray(1), right, tolerances[compute]), 'too short').to.be.a(
        'string',
      );
      expect(
        difference(Float64Array.of(0, 1e-30), Float64Array.of(0, 0), tolerances[compute]),
        'not zero',
      ).to.be.a('string');
    }
  });
});

/**
 * The table's numbers have few digits, so that sums of them are exact in float64 whatever their order:
 * here they get all digits.
 */
function withLongFractions(given: Record<string, Given>): Record<string, Given> {
  const longer = ({ contents, dtype, access, ...place }: Given): Given => ({
    ...place,
    dtype,
    access,
    contents:
      dtype === 'float64' && access === 'read'
        ? Float64Array.from(contents, (value) => value / 3)
        : contents,
  });
  return Object.fromEntries(
    Object.entries(given).map(([name, operand]) => [name, longer(operand)]),
  );
}

/** What is wrong with adding to one output; undefined when it is right, or refused. */
async function addingProblem(
  runner: Runner,
  op: string,
  c: OpCase,
  output: string,
  compute: Compute,
  added: Set<string>,
): Promise<string | undefined> {
  const plain = operandsOf(op, c, compute, 'overwrite');
  const onto = operandsOf(op, c, compute, 'accumulate');
  const given = { ...plain, [output]: onto[output]! };
  const refusal = await codeOf(() => runner.run(op, c.attributes, given, c.control));
  if (refusal !== undefined)
    return refusal === 'INVALID_ARGUMENT' ? undefined : `fails with ${refusal}`;
  // Updates of parameters and running statistics refuse the opposite: nothing of theirs is overwritten.
  const overwritten = await codeOf(() => runner.run(op, c.attributes, plain, c.control));
  if (overwritten === 'INVALID_ARGUMENT') return undefined;
  if (overwritten !== undefined) return `cannot be overwritten: ${overwritten}`;
  added.add(`${op}.${output}`);
  const [sum, alone] = [
    await runner.run(op, c.attributes, given, c.control),
    await runner.run(op, c.attributes, plain, c.control),
  ];
  const before = onto[output]!.contents;
  const expected = Float64Array.from(alone[output]!, (value, i) => value + before[i]!);
  return difference(sum[output]!, expected, tolerances[compute]);
}
