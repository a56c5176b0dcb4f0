// The commit flag: after a gradient or loss that is not finite, commit instructions change nothing, and
// the next step starts anew.
import { expect } from 'chai';
import { generate, uniform } from './ops/cases.js';
import './ops/definitions.js';
import { OpProgram, Runner, type Given } from './ops/run.js';

const length = 50_000;
const channels = 17;
const numbers = (count: number, name: string, low = -1): Float64Array =>
  generate(uniform(low, 1), count, `commit/${name}`);
const floats = (contents: ArrayLike<number>, access: Given['access'] = 'read'): Given => ({
  shape: [contents.length],
  dtype: 'float32',
  contents,
  access,
});

const floatBits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;
const state = ['parameters', 'momentum', 'runningMean', 'runningVariance'];

function program(runner: Runner): OpProgram {
  const made = new OpProgram(runner.device, {
    gradients: floats(numbers(length, 'gradients')),
    loss: { shape: [], dtype: 'float32', contents: [1], access: 'read' },
    segments: {
      shape: [1, 4],
      dtype: 'int32',
      contents: [0, length, floatBits(1), floatBits(0.01)],
      access: 'read',
    },
    parameters: floats(numbers(length, 'parameters'), 'accumulate'),
    momentum: floats(numbers(length, 'momentum'), 'accumulate'),
    mean: floats(numbers(channels, 'mean')),
    unbiased: floats(numbers(channels, 'unbiased', 0.5)),
    runningMean: floats(numbers(channels, 'running mean'), 'accumulate'),
    runningVariance: floats(numbers(channels, 'running variance', 0.5), 'accumulate'),
  });
  made.add('checkFinite', {}, { gradients: 'gradients', loss: 'loss' });
  made.add(
    'sgd',
    { momentum: 0.9, nesterov: 0 },
    {
      gradients: 'gradients',
      segments: 'segments',
      parameters: 'parameters',
      momentum: 'momentum',
    },
  );
  made.add(
    'batchNormUpdate',
    { epsilon: 0, momentum: 0.1 },
    {
      mean: 'mean',
      unbiased: 'unbiased',
      runningMean: 'runningMean',
      runningVariance: 'runningVariance',
    },
  );
  return made;
}

/** The same with gradients times a loss scale, which the optimizer divides by. */
function scaledProgram(runner: Runner, gradients: ArrayLike<number>): OpProgram {
  const made = new OpProgram(runner.device, {
    gradients: floats(gradients, 'accumulate'),
    segments: {
      shape: [1, 4],
      dtype: 'int32',
      contents: [0, length, floatBits(1), 0],
      access: 'read',
    },
    parameters: floats(numbers(length, 'parameters'), 'accumulate'),
  });
  made.add('checkFinite', {}, { gradients: 'gradients' });
  const operands = { gradients: 'gradients', segments: 'segments', parameters: 'parameters' };
  made.add('sgd', { momentum: 0, nesterov: 0 }, operands);
  return made;
}

const snapshot = async (p: OpProgram) => Promise.all(state.map((name) => p.read(name)));

describe('commit flag', () => {
  const runner = Runner.open();
  after(() => runner.close());
  const bad = numbers(length, 'gradients').slice();
  bad[length - 1] = NaN;
  const infinite = numbers(length, 'gradients').slice();
  infinite[0] = -Infinity;

  for (const [what, name, contents] of [
    ['a gradient is NaN', 'gradients', bad],
    ['a gradient is infinite', 'gradients', infinite],
    ['the loss is NaN', 'loss', [NaN]],
  ] as const) {
    it(`nothing changes when ${what}, and the next step commits`, async () => {
      const p = program(runner);
      const before = await snapshot(p);
      await p.write(name, contents);
      expect((await p.run({ learningRate: 0.1 })).committed).to.equal(false);
      const kept = await snapshot(p);
      for (const [i, values] of kept.entries())
        expect(
          Buffer.from(values.buffer).equals(Buffer.from(before[i]!.buffer)),
          state[i],
        ).to.equal(true);

      await p.write(name, name === 'loss' ? [1] : numbers(length, 'gradients'));
      expect((await p.run({ learningRate: 0.1 })).committed).to.equal(true);
      const moved = await snapshot(p);
      for (const [i, values] of moved.entries()) {
        const same = values.filter((value, j) => value === before[i]![j]).length;
        expect(same, `unchanged elements of ${state[i]}`).to.be.at.most(values.length / 1000);
      }
      p.dispose();
    });
  }

  it('nor when a scaled gradient is not finite, at any place; others are divided by the scale', async () => {
    const good = numbers(length, 'gradients');
    for (const at of [undefined, 0, 4095, 16384, length - 1]) {
      const gradients = good.map((g) => 1024 * g);
      if (at !== undefined) gradients[at] = [NaN, Infinity, -Infinity][at % 3]!;
      const p = scaledProgram(runner, gradients);
      const before = await p.read('parameters');
      const { committed } = await p.run({ learningRate: 0.5, lossScale: 1024 });
      expect(committed).to.equal(at === undefined);
      const after = await p.read('parameters');
      if (at === undefined)
        for (let i = 0; i < length; ++i)
          expect(after[i]).to.be.closeTo(before[i]! - 0.5 * good[i]!, 1e-6);
      else expect(after).to.deep.equal(before);
      p.dispose();
    }
  });

  it('a step without a check commits', async () => {
    const p = new OpProgram(runner.device, {
      gradients: floats([1]),
      segments: {
        shape: [1, 4],
        dtype: 'int32',
        contents: [0, 1, floatBits(1), 0],
        access: 'read',
      },
      parameters: floats([1], 'accumulate'),
    });
    p.add(
      'sgd',
      { momentum: 0, nesterov: 0 },
      { gradients: 'gradients', segments: 'segments', parameters: 'parameters' },
    );
    expect((await p.run({ learningRate: 0.25 })).committed).to.equal(true);
    expect(Array.from(await p.read('parameters'))).to.deep.equal([0.75]);
    p.dispose();
  });
});
