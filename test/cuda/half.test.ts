// 16-bit storage on the CUDA device beyond the case table: conversions, algorithms of the convolution, TF32,
// and that the bounds would see a fault.
import { expect } from 'chai';
import { fromHalf, isHalf, toHalf, type HalfType } from '../../lib/program/half.js';
import { cudaConvNeed } from '../../lib/layers/conv2d-cuda.js';
import type { DType } from '../../lib/program/program.js';
import { device } from '../../lib/runtime/device.js';
import { inputsOf, type Numbers } from '../ops/cases.js';
import { expectNone, storedDifference } from '../ops/compare.js';
import { wrongOutputs } from '../ops/expected.js';
import { operandsOf, Runner, type Given } from '../ops/run.js';
import { loadTable } from '../ops/table.js';
import { errorOf } from '../support/errors.js';
import { emulatedLibrary } from './emulated.js';

const halves = ['bfloat16', 'float16'] as const;

/** Numbers as they are after they were stored as `dtype`. */
const stored = (dtype: DType, numbers: Numbers): Numbers =>
  isHalf(dtype) ? fromHalf(dtype, toHalf(dtype, numbers)) : numbers;

describe('16-bit storage on cuda:emulated', function () {
  this.timeout(120_000);
  const table = loadTable();
  let runner: Runner;
  before(function () {
    runner = Runner.openPlugin(emulatedLibrary(this));
  });
  after(async () => runner?.close());

  for (const half of halves)
    for (const [from, to] of [
      ['float32', half],
      [half, 'float32'],
      [half, half],
    ] as const)
      it(`copy converts ${from} to ${to} as the host does`, async () => {
        const wrong: string[] = [];
        for (const c of table.get('copy')!.cases) {
          if (c.outputs.y!.accumulate) continue;
          const given = operandsOf('copy', c, 'float32', 'overwrite', 'cuda');
          const x = stored(from, inputsOf('copy', c).x!);
          const { y } = await runner.run(
            'copy',
            { alpha: 1, beta: 0 },
            { x: { ...given.x!, dtype: from, contents: x }, y: { ...given.y!, dtype: to } },
          );
          const expected = stored(to, x);
          if (!Array.from(y!).every((value, i) => Object.is(value, expected[i])))
            wrong.push(c.name);
        }
        expectNone(wrong);
      });

  it('copy refuses other pairs of types', async () => {
    await using d = await device('cuda:emulated');
    const x = await d.tensor([1, 2], [2], { dtype: 'bfloat16' });
    const error = await errorOf(d.ops.copy(x, { dtype: 'float16' }));
    expect(error).to.include({ code: 'INVALID_ARGUMENT' });
    expect(error!.message).to.match(/one float type, or one is float32 and one has 16 bits/);
  });

  it('eager ops keep volumes in 16 bits and statistics in float32', async () => {
    await using d = await device('cuda:emulated');
    const x = await d.ops.copy(await d.tensor([-1, 2, 3, 1 + 2 ** -9], [1, 2, 2, 1]), {
      dtype: 'bfloat16',
    });
    const y = await d.ops.relu(x);
    expect(y.dtype).to.equal('bfloat16');
    expect(fromHalf('bfloat16', await y.read())).to.deep.equal(Float32Array.of(0, 2, 3, 1));
    const vector = await d.tensor([1], [1]);
    const normalised = await d.ops.batchNorm(x, vector, vector);
    expect(normalised.y.dtype).to.equal('bfloat16');
    expect(normalised.mean.dtype).to.equal('float32');
  });

  const directions = {
    conv2d: ['forward', 'x', 'w', 'y'],
    conv2dBackwardData: ['backwardData', 'dx', 'w', 'dy'],
    conv2dBackwardFilter: ['backwardFilter', 'x', 'dw', 'dy'],
  } as const;
  const algorithms = { im2col: 2, col2im: 3 } as const;
  for (const [algorithm, number] of Object.entries(algorithms))
    it(`convolution by ${algorithm}, one image at a time`, async () => {
      const wrong: string[] = [];
      for (const [op, [direction, x, w, y]] of Object.entries(directions))
        for (const c of table.get(op)!.cases) {
          const attributes = { ...c.attributes, algorithm: number };
          const operands = operandsOf(op, c, 'bfloat16', undefined, 'cuda');
          const filter = operands[w]?.shape ?? [0, 0];
          const need = cudaConvNeed(direction, attributes, {
            x: operands[x]!.shape.slice(1),
            y: operands[y]!.shape.slice(1),
            filter: [filter[0]!, filter[1]!],
            elementBytes: 2,
          });
          const workspace: Given = {
            ...operands.workspace!,
            shape: [need.fixed + need.perImage],
          };
          const outputs = await runner.run(op, attributes, { ...operands, workspace }, c.control);
          delete outputs.workspace;
          for (const problem of wrongOutputs(table.get(op)!, c, outputs, 'bfloat16'))
            wrong.push(`${op} ${c.name}: ${problem}`);
        }
      expectNone(wrong);
    });

  it('a convolution rounds its factors to TF32 where it is asked to, and only then', async () => {
    const [x, w] = [1 + 2 ** -12, 1 + 2 ** -9];
    const one = (dtype: DType, contents: Numbers, access: Given['access']): Given => ({
      shape: [1, 1, 1, 1],
      dtype,
      contents,
      access,
    });
    const run = async (tf32: 0 | 1): Promise<number> => {
      const attributes = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, groups: 1, tf32 };
      const { fixed } = cudaConvNeed('forward', attributes, {
        x: [1, 1, 1],
        y: [1, 1, 1],
        filter: [1, 1],
      });
      const { y } = await runner.run('conv2d', attributes, {
        x: one('float32', [x], 'read'),
        w: one('float32', [w], 'read'),
        y: one('float32', [NaN], 'overwrite'),
        workspace: { shape: [fixed], dtype: 'uint8', contents: [], access: 'overwrite' },
      });
      return y![0]!;
    };
    expect(await run(0)).to.equal(Math.fround(x * w));
    expect(await run(1)).to.equal(w);
  });
});

describe('bounds of 16-bit results', () => {
  const exact = Float64Array.from({ length: 200 }, (_, i) => Math.sin(i + 1) * 3);
  const change = (values: Numbers, i: number, value: number): Numbers => {
    const changed = Float64Array.from(values);
    changed[i] = value;
    return changed;
  };
  const ulp = (dtype: HalfType, value: number): number =>
    2 ** (Math.floor(Math.log2(Math.abs(value))) - (dtype === 'bfloat16' ? 7 : 10));

  for (const dtype of halves)
    it(`of ${dtype} hold for what is rounded, and for nothing worse`, () => {
      const rounded = stored(dtype, exact);
      expect(storedDifference(dtype, rounded, exact)).to.equal(undefined);
      const wrong: [string, Numbers][] = [
        ['one unit off', change(rounded, 7, rounded[7]! + ulp(dtype, exact[7]!))],
        ['NaN', change(rounded, 3, NaN)],
        ['infinite', change(rounded, 3, Infinity)],
        ['too short', Array.from(rounded).slice(1)],
        [
          'cut instead of rounded',
          Float64Array.from(exact, (v) => Math.trunc(v / ulp(dtype, v)) * ulp(dtype, v)),
        ],
        ['another sign', change(rounded, 11, -rounded[11]!)],
      ];
      for (const [what, values] of wrong)
        expect(storedDifference(dtype, values, exact), what).to.be.a('string');
      // Inputs that were not rounded to the type first show too.
      const other = dtype === 'float16' ? 'bfloat16' : 'float16';
      const product = Float64Array.from(exact, (v) => v * v * v);
      const fromRounded = Float64Array.from(stored(dtype, exact), (v) => v * v * v);
      expect(storedDifference(dtype, stored(dtype, fromRounded), product)).to.be.a('string');
      if (dtype === 'float16')
        expect(storedDifference(dtype, stored(other, exact), exact)).to.be.a('string');
    });

  it('numbers too large for float16 are infinite', () => {
    const large = Float64Array.of(1, 70000, -1e6, 65519);
    expect(storedDifference('float16', [1, Infinity, -Infinity, 65504], large)).to.equal(undefined);
    expect(storedDifference('float16', [1, 65504, -Infinity, 65504], large)).to.be.a('string');
    expect(storedDifference('bfloat16', stored('bfloat16', large), large)).to.equal(undefined);
  });
});
