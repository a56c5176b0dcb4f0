// Randomness of dropout: the generator's known answers, how many elements are kept, and that masks
// follow the sample, not the batch.
import { expect } from 'chai';
import { f32, type ControlValues } from './ops/cases.js';
import { philox } from './ops/dropout.js';
import './ops/definitions.js';
import { Runner, type Given } from './ops/run.js';

const ones = (shape: readonly number[]): Given => ({
  shape,
  dtype: 'float32',
  contents: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1),
  access: 'read',
});

describe('dropout', () => {
  const runner = Runner.open();
  after(() => runner.close());

  const mask = async (
    shape: readonly number[],
    rate: number,
    control: ControlValues,
    key = 1n,
  ): Promise<number[]> => {
    const x = ones(shape);
    const { y } = await runner.run(
      'dropout',
      { rate: f32(rate), key },
      { x, y: { ...x, access: 'overwrite' } },
      control,
    );
    return Array.from(y!);
  };

  it('Philox 4x32-10 gives the known answers of Random123', () => {
    const hex = (words: number[]): string[] =>
      words.map((word) => word.toString(16).padStart(8, '0'));
    const ff = 0xffffffff;
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).to.deep.equal([
      '6627e8d5',
      'e169c58d',
      'bc57ac4c',
      '9b00dbd8',
    ]);
    expect(hex(philox([ff, ff, ff, ff], [ff, ff]))).to.deep.equal([
      '408f276d',
      '41c83b0e',
      'a20bc7c6',
      '6d5451fd',
    ]);
    expect(
      hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
    ).to.deep.equal(['d16cfe09', '94fdcceb', '5001e420', '24126ea1']);
  });

  for (const rate of [0, 0.1, 0.25, 0.5, 0.9]) {
    it(`keeps 1 - ${rate} of the elements, scaled`, async () => {
      const shape = [10, 20, 20, 25];
      const y = await mask(shape, rate, { seed: 3, step: 11 });
      const kept = y.filter((value) => value !== 0);
      const deviation = Math.sqrt(y.length * rate * (1 - rate));
      expect(Math.abs(kept.length - y.length * (1 - rate))).to.be.at.most(
        4 * deviation + 1e-3 * y.length * 1e-3,
      );
      expect(new Set(kept).size).to.equal(1);
      expect(kept[0]).to.be.closeTo(1 / (1 - rate), 1e-5);
      // Neighbours, in channels and in samples, are independent.
      for (const distance of [1, 25, 10_000]) {
        const pairs = y.slice(distance).filter((value, i) => value !== 0 && y[i] !== 0).length;
        const expected = (y.length - distance) * (1 - rate) ** 2;
        expect(Math.abs(pairs - expected)).to.be.at.most(5 * Math.sqrt(y.length) * 0.5);
      }
    });
  }

  it('a mask belongs to the sample, however the batch is divided', async () => {
    const control = { seed: 5, step: 2 };
    const whole = await mask([6, 5, 7, 3], 0.5, control);
    const first = await mask([2, 5, 7, 3], 0.5, { ...control, sampleOffset: 0 });
    const second = await mask([3, 5, 7, 3], 0.5, { ...control, sampleOffset: 2 });
    const third = await mask([1, 5, 7, 3], 0.5, { ...control, sampleOffset: 5 });
    expect([...first, ...second, ...third]).to.deep.equal(whole);
  });

  it('seed, step, sample and layer each change the mask', async () => {
    const shape = [1, 8, 8, 16];
    const usual = await mask(shape, 0.5, { seed: 5, step: 2 });
    expect(await mask(shape, 0.5, { seed: 5, step: 2 })).to.deep.equal(usual);
    expect(await mask(shape, 0.5, { seed: 6, step: 2 }), 'seed').to.not.deep.equal(usual);
    expect(await mask(shape, 0.5, { seed: 5, step: 3 }), 'step').to.not.deep.equal(usual);
    expect(
      await mask(shape, 0.5, { seed: 5, step: 2, sampleOffset: 1 }),
      'sample',
    ).to.not.deep.equal(usual);
    expect(await mask(shape, 0.5, { seed: 5, step: 2 }, 2n), 'layer').to.not.deep.equal(usual);
  });
});
