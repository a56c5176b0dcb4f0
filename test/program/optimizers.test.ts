import { expect } from 'chai';
import { optimizerFromJSON, sgd } from '../../lib/optimizers/index.js';
import { compileTraining } from '../../lib/program/compile.js';
import { inv } from '../../lib/schedules/index.js';
import { thrown } from '../support/thrown.js';
import { lenet, named, recipe } from './nets.js';

describe('sgd', () => {
  const optimizer = sgd({
    learningRate: inv({ from: 0.01, gamma: 1e-4, power: 0.75 }),
    momentum: 0.9,
    weightDecay: 5e-4,
    groups: [
      { match: /\.b$/, learningRateScale: 2, weightDecay: 0 },
      { match: /^fc/g, learningRateScale: 3 },
    ],
  });

  it('finds the settings of a parameter: the first group that matches', () => {
    expect(optimizer.settingsOf('fc1.b')).to.deep.equal({ learningRateScale: 2, weightDecay: 0 });
    // Twice: the flag g must not matter.
    for (let i = 0; i < 2; i++)
      expect(optimizer.settingsOf('fc1.w')).to.deep.equal({
        learningRateScale: 3,
        weightDecay: 5e-4,
      });
    expect(optimizer.settingsOf('conv1.w')).to.deep.equal({
      learningRateScale: 1,
      weightDecay: 5e-4,
    });
  });

  it('refuses options that it does not have, and rates that are none', () => {
    const wrong: unknown[] = [
      { learningrate: 0.1 },
      { learningRate: '0.1' },
      { groups: [{ match: /b/, lr: 2 }] },
    ];
    for (const options of wrong)
      expect(thrown(() => sgd(options as object)).code).to.equal('INVALID_ARGUMENT');
  });

  it('writes one segment a parameter', () => {
    const program = compileTraining(lenet(), { ...recipe, optimizer });
    const bytes = Uint8Array.from(Buffer.from(program.constants[0]!.data, 'base64'));
    const ints = new Int32Array(bytes.buffer);
    const floats = new Float32Array(bytes.buffer);
    expect(ints.length).to.equal(4 * 8);
    program.parameters.forEach((p, row) => {
      const { learningRateScale, weightDecay } = optimizer.settingsOf(p.name);
      expect([ints[4 * row], ints[4 * row + 1]]).to.deep.equal([p.offset / 4, p.elements]);
      expect(floats[4 * row + 2]).to.equal(learningRateScale);
      expect(floats[4 * row + 3]).to.equal(Math.fround(weightDecay));
    });
  });

  it('updates parameters and momentum last, after the check for finite numbers', () => {
    const program = compileTraining(lenet(), recipe);
    expect(program.instructions.slice(-2).map((i) => i.op)).to.deep.equal(['checkFinite', 'sgd']);
    const [step] = named(program, 'sgd');
    expect(step!.operands.map((o) => o?.access)).to.deep.equal([
      'read',
      'read',
      'accumulate',
      'accumulate',
    ]);
    const [check] = named(program, 'checkFinite');
    expect(check!.operands.every((o) => o !== null)).to.equal(true);
  });

  it('keeps no memory without momentum', () => {
    const program = compileTraining(lenet(), { ...recipe, optimizer: sgd() });
    expect(program.slots).to.deep.equal([]);
    expect(program.bytes.optimizer).to.equal(0);
    expect(named(program, 'sgd')[0]!.operands[3]).to.equal(null);
  });

  it('survives JSON', () => {
    const copy = optimizerFromJSON(JSON.parse(JSON.stringify(optimizer.toJSON())));
    expect(copy.toJSON()).to.deep.equal(optimizer.toJSON());
    expect(copy.settingsOf('fc2.b')).to.deep.equal(optimizer.settingsOf('fc2.b'));
    expect(copy.learningRate.at(1000, { stepsPerEpoch: 1 })).to.equal(
      optimizer.learningRate.at(1000, { stepsPerEpoch: 1 }),
    );
    const malformed: unknown[] = [
      null,
      {},
      { kind: 'adam' },
      { kind: 'toString' },
      { kind: 'sgd', learningRate: 1, momentum: 'x' },
      { kind: 'sgd', learningRate: 1, groups: 7 },
      { kind: 'sgd', learningRate: 1, groups: [{ match: { source: '(', flags: '' } }] },
      { kind: 'sgd', learningRate: { kind: 'none' } },
    ];
    for (const json of malformed)
      expect(() => optimizerFromJSON(json), JSON.stringify(json))
        .to.throw()
        .with.property('code', 'INVALID_FORMAT');
  });

  it('refuses numbers that make no sense', () => {
    const bad = [
      { momentum: -1 },
      { momentum: 1 },
      { momentum: NaN },
      { weightDecay: -1 },
      { learningRate: -1 },
      { learningRate: Infinity },
      { nesterov: true },
      { groups: [{ match: /x/, learningRateScale: -1 }] },
      { groups: [{ match: 'x' as unknown as RegExp }] },
    ];
    for (const options of bad)
      expect(() => sgd(options))
        .to.throw()
        .with.property('code', 'INVALID_ARGUMENT');
  });
});
