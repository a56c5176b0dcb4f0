// What the compiler asks of ops on the CUDA device: in place, little workspace, every algorithm.
import { expect } from 'chai';
import '../../lib/layers/index.js';
import { cudaConvNeed } from '../../lib/layers/conv2d-cuda.js';
import { elements, type Numbers, type OpCase } from '../ops/cases.js';
import { expectNone } from '../ops/compare.js';
import { listOps } from '../ops/definitions.js';
import { wrongOutputs } from '../ops/expected.js';
import { operandsOf, Runner, type Given } from '../ops/run.js';
import { loadTable } from '../ops/table.js';
import { emulatedLibrary } from './emulated.js';

const sameBits = (a: Numbers, b: Numbers): boolean =>
  a.length === b.length && Array.from(a).every((value, i) => Object.is(value, b[i]));

describe('op contract on cuda:emulated', function () {
  this.timeout(120_000);
  const table = loadTable();
  let runner: Runner;
  before(function () {
    runner = Runner.openPlugin(emulatedLibrary(this));
  });
  after(async () => runner?.close());

  const given = (op: string, c: OpCase): Record<string, Given> =>
    operandsOf(op, c, 'float32', undefined, 'cuda');

  it('outputs may lie over the inputs that the definition names', async () => {
    const wrong: string[] = [];
    let pairs = 0;
    for (const { name, inPlace = [] } of listOps())
      for (const [output, input] of inPlace)
        for (const c of table.get(name)!.cases) {
          const operands = operandsOf(name, c, 'float32', 'overwrite', 'cuda');
          const [y, x] = [operands[output], operands[input]];
          if (y === undefined || x === undefined) continue;
          if (
            y.pitch !== x.pitch ||
            y.channelOffset !== x.channelOffset ||
            elements(y.shape) !== elements(x.shape)
          )
            continue;
          ++pairs;
          const run = (over: Record<string, Given>): Promise<Record<string, Numbers>> =>
            runner.run(name, c.attributes, over, c.control);
          const apart = await run(operands);
          const over = await run({ ...operands, [output]: { ...y, over: input } });
          if (!sameBits(apart[output]!, over[output]!))
            wrong.push(`${name} ${c.name}: ${output} over ${input}`);
        }
    expectNone(wrong);
    expect(pairs).to.be.at.least(100);
  });

  const directions = {
    conv2d: ['forward', 'x', 'w', 'y'],
    conv2dBackwardData: ['backwardData', 'dx', 'w', 'dy'],
    conv2dBackwardFilter: ['backwardFilter', 'x', 'dw', 'dy'],
  } as const;

  for (const algorithm of ['auto', 'im2col', 'col2im'] as const)
    it(`convolution by ${algorithm}, one image at a time`, async () => {
      const wrong: string[] = [];
      for (const [op, [direction, x, w, y]] of Object.entries(directions)) {
        const cases = table.get(op)!;
        for (const c of cases.cases) {
          const attributes = {
            ...c.attributes,
            algorithm: ['auto', 'gemm', 'im2col', 'col2im'].indexOf(algorithm),
          };
          const operands = given(op, c);
          const filter = operands[w]?.shape ?? [0, 0];
          const need = cudaConvNeed(direction, attributes, {
            x: operands[x]!.shape.slice(1),
            y: operands[y]!.shape.slice(1),
            filter: [filter[0]!, filter[1]!],
          });
          const shape = [need.fixed + need.perImage];
          const workspace = { ...operands.workspace!, shape };
          const outputs = await runner.run(op, attributes, { ...operands, workspace }, c.control);
          delete outputs.workspace;
          for (const problem of wrongOutputs(cases, c, outputs, 'float32'))
            wrong.push(`${op} ${c.name}: ${problem}`);
        }
      }
      expectNone(wrong);
    });
});
