// Winograd's algorithm on the CPU device: against the double-precision reference of the convolution, on every
// instruction set, in all three directions; its choice, and the option that turns it off.
import { expect } from 'chai';
import './ops/definitions.js';
import { network, input } from '../lib/index.js';
import { conv2d } from '../lib/layers/index.js';
import { chooseTile } from '../lib/layers/conv2d-winograd.js';
import { compileInference } from '../lib/program/compile.js';
import { range, type OpCase } from './ops/cases.js';
import { expectNone, type Tolerance } from './ops/compare.js';
import { casesOf, convolution, convolutions, type Convolution } from './ops/conv2d.js';
import { wrongOutputs } from './ops/expected.js';
import { native, operandsOf, runCase, Runner } from './ops/run.js';
import { loadTable } from './ops/table.js';

const table = loadTable();
const sets = native.describeCpu().instructionSets;
const same = { padding: [1, 1, 1, 1] } as const;

/** Bounds of the rounding error; inputs with a mean included. */
const bounds: Record<2 | 4, Tolerance> = {
  2: { norm: 2e-6, max: 5e-5 },
  4: { norm: 1e-5, max: 5e-5 },
};

const takes = ({ w, attributes: a }: Convolution): boolean =>
  w[0] === 3 &&
  w[1] === 3 &&
  [a.strideH, a.strideW, a.dilationH, a.dilationW, a.groups].every((value) => value === 1);

/** Beside those of the table. */
const more: readonly Convolution[] = [
  convolution([1, 1, 1, 1], [3, 3], 1, { ...same, note: 'one pixel' }),
  convolution([2, 3, 3, 7], [3, 3], 5, { note: 'one window' }),
  convolution([1, 4, 4, 16], [3, 3], 32, { ...same, note: 'whole tiles' }),
  convolution([2, 5, 9, 16], [3, 3], 32, { ...same, note: 'a row and column too many' }),
  convolution([1, 7, 11, 13], [3, 3], 17, { ...same, note: 'primes' }),
  convolution([1, 6, 5, 4], [3, 3], 6, { padding: [2, 0, 3, 1], note: 'sides of their own' }),
  convolution([1, 2, 3, 3], [3, 3], 4, {
    padding: [6, 7, 5, 9],
    note: 'tiles in the padding alone',
  }),
  convolution([1, 6, 6, 129], [3, 3], 65, { ...same, note: 'channels behind a slice' }),
  convolution([1, 5, 6, 300], [3, 3], 130, { ...same, note: 'three slices' }),
  convolution([1, 4, 5, 24], [3, 3], 1100, { ...same, note: 'columns cut' }),
  convolution([9, 33, 31, 5], [3, 3], 6, { ...same, note: 'several blocks of tiles' }),
  convolution([2, 13, 13, 32], [3, 3], 40, { ...same, values: [0, 2], note: 'with a mean' }),
  convolution([2, 10, 12, 33], [3, 3], 34, { ...same, values: [99, 101], note: 'a mean of 100' }),
  convolution([2, 6, 7, 18], [3, 3], 20, { ...same, activation: true, note: 'with relu' }),
  convolution([2, 6, 7, 18], [3, 3], 20, { ...same, bias: false, accumulate: true, note: 'added' }),
  convolution([1, 6, 7, 18], [3, 3], 20, {
    ...same,
    from: range(31, 7),
    to: range(33, 5),
    note: 'ranges',
  }),
];

const tiled = (c: OpCase, tile: 2 | 4): OpCase => ({
  ...c,
  attributes: { ...c.attributes, winograd: tile },
});

describe('Winograd', () => {
  const all = Object.entries(casesOf([...convolutions.filter(takes), ...more]));
  for (const tile of [2, 4] as const)
    for (const [name, cases] of all)
      describe(`F(${tile}x${tile}, 3x3): ${name}`, () => {
        const op = table.get(name)!;
        for (const instructionSet of sets)
          it(`is within ${bounds[tile].norm} on ${instructionSet}`, async () => {
            const runner = Runner.open({ instructionSet });
            const failures: string[] = [];
            for (const c of cases) {
              const actual = await runCase(runner, name, tiled(c, tile), 'float32');
              for (const wrong of wrongOutputs(op, c, actual, 'float32', bounds[tile]))
                failures.push(`${c.name}: ${wrong}`);
            }
            await runner.close();
            expectNone(failures);
          });

        it('has the same bits with 1, 2 and 3 threads', async () => {
          const runners = [1, 2, 3].map((threads) => Runner.open({ threads }));
          const wrong: string[] = [];
          // Every third, and those that are cut into parts; all in the full run.
          const third = process.env.STRIATE_TEST_ALL === '1' ? 1 : 3;
          const some = cases.filter(({ name }, i) => i % third === 0 || /blocks|cut/.test(name));
          for (const c of some.map((c) => tiled(c, tile))) {
            const given = operandsOf(name, c, 'float32');
            const [one, ...others] = await Promise.all(
              runners.map((runner) => runner.run(name, c.attributes, given, c.control)),
            );
            for (const other of others)
              for (const output of Object.keys(c.outputs))
                if (!Buffer.from(bytes(one![output]!)).equals(Buffer.from(bytes(other[output]!))))
                  wrong.push(`${c.name}: ${output}`);
          }
          await Promise.all(runners.map((runner) => runner.close()));
          expectNone(wrong);
        });
      });

  it('NaN in a pixel stays within the windows of its tile', async () => {
    const runner = Runner.open();
    const [c] = casesOf([convolution([1, 12, 12, 8], [3, 3], 8, same)]).conv2d!;
    const bad = structuredClone(tiled(c!, 4)) as { inputs: { x: { fill: object } } } & OpCase;
    bad.inputs.x.fill = { ...bad.inputs.x.fill, put: { 0: NaN } };
    const { y } = await runCase(runner, 'conv2d', bad, 'float32');
    await runner.close();
    const at = (p: number, q: number): number => (y as Float32Array)[(p * 12 + q) * 8]!;
    expect(at(0, 0)).to.be.NaN;
    expect(at(1, 1)).to.be.NaN;
    expect(at(4, 4)).to.be.finite;
    expect(at(11, 11)).to.be.finite;
  });

  it('is refused for other filters, strides, types, and on the CUDA device', async () => {
    const runner = Runner.open();
    const refused = async (g: Convolution, compute: 'float32' | 'float64'): Promise<string> => {
      try {
        await runCase(runner, 'conv2d', tiled(casesOf([g]).conv2d![0]!, 4), compute);
        return 'taken';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(await refused(convolution([1, 8, 8, 4], [5, 5], 4), 'float32')).to.match(/3x3 filters/);
    expect(
      await refused(convolution([1, 9, 9, 4], [3, 3], 4, { stride: [2, 2] }), 'float32'),
    ).to.match(/stride 1/);
    expect(await refused(convolution([1, 8, 8, 4], [3, 3], 4), 'float64')).to.match(/float32/);
    await runner.close();
  });

  describe('is chosen', () => {
    const tileOf = (options: { winograd?: boolean; size?: number }): unknown => {
      const x = input([28, 28, 64]);
      const layer = conv2d({ filters: 64, size: options.size ?? 3, padding: 'same', ...options });
      const program = compileInference(network(x, layer(x)), { batch: 4 });
      return program.instructions.find(({ op }) => op === 'conv2d')!.attributes.winograd;
    };

    it('where channels and pixels pay for the transforms', () => {
      expect(chooseTile(8, [56, 56], 64, 64)).to.equal(4);
      expect(chooseTile(1, [14, 14], 512, 512)).to.equal(4);
      expect(chooseTile(8, [2, 2], 512, 512)).to.equal(2);
      expect(chooseTile(8, [224, 224], 3, 64)).to.equal(0);
      expect(chooseTile(1, [1, 1], 512, 512)).to.equal(0);
    });

    it('by the compiler, unless winograd is false', () => {
      expect(tileOf({})).to.equal(4);
      expect(tileOf({ winograd: false })).to.equal(0);
      expect(tileOf({ size: 5 })).to.equal(0);
    });
  });
});

const bytes = (values: ArrayLike<number>): ArrayBuffer => Float32Array.from(values).buffer;
