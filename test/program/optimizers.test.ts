import { expect } from 'chai';
import {
  adadelta,
  adagrad,
  adam,
  adamW,
  lamb,
  lars,
  optimizerFromJSON,
  rmsProp,
  sgd,
  type Optimizer,
} from '../../lib/optimizers/index.js';
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
    expect(optimizer.settingsOf('fc1.b')).to.deep.equal({
      learningRateScale: 2,
      weightDecay: 0,
      frozen: false,
      trustRatio: true,
    });
    // Twice: the flag g must not matter.
    for (let i = 0; i < 2; i++)
      expect(optimizer.settingsOf('fc1.w')).to.deep.equal({
        learningRateScale: 3,
        weightDecay: 5e-4,
        frozen: false,
        trustRatio: true,
      });
    expect(optimizer.settingsOf('conv1.w')).to.deep.equal({
      learningRateScale: 1,
      weightDecay: 5e-4,
      frozen: false,
      trustRatio: true,
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
      undefined,
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
    expect(named(program, 'sgd')[0]!.operands[4]).to.equal(null);
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
      { kind: 'adamant' },
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

describe('other optimizers', () => {
  const groups = [
    { match: /\.b$/, weightDecay: 0 },
    { match: /^fc/, frozen: true },
  ];
  const made: readonly [Optimizer, string, string[]][] = [
    [adam({ groups }), 'adam', ['average', 'square']],
    [adam({ amsgrad: true, betas: [0, 0.9] }), 'adam', ['average', 'square', 'maximum']],
    [adamW({ weightDecay: 0.1, epsilon: 1e-3 }), 'adam', ['average', 'square']],
    [rmsProp(), 'rmsProp', ['square']],
    [rmsProp({ centered: true }), 'rmsProp', ['square', 'average']],
    [rmsProp({ momentum: 0.5, alpha: 0.9 }), 'rmsProp', ['square', 'momentum']],
    [adagrad({ learningRateDecay: 1, initialAccumulator: 2 }), 'adagrad', ['sum']],
    [adadelta({ rho: 0.95 }), 'adadelta', ['square', 'delta']],
    [lars({ trustCoefficient: 0.01 }), 'lars', ['momentum']],
    [lamb({ groups: [{ match: /\.b$/, trustRatio: false }] }), 'lamb', ['average', 'square']],
    [adam({ clip: { value: 0.5 } }), 'adam', ['average', 'square']],
    [sgd({ momentum: 0.9, clip: { norm: 1 } }), 'sgd', ['momentum']],
  ];

  for (const [optimizer, op, slots] of made)
    it(`${optimizer.kind} with ${slots.join(', ')}: one instruction, and survives JSON`, () => {
      const program = compileTraining(lenet(), { ...recipe, optimizer });
      expect(program.slots).to.deep.equal(slots);
      expect(program.bytes.optimizer).to.equal(slots.length * program.bytes.gradients);
      expect(program.instructions.at(-1)!.op).to.equal(op);
      const copy = optimizerFromJSON(JSON.parse(JSON.stringify(optimizer.toJSON())));
      expect(copy.toJSON()).to.deep.equal(optimizer.toJSON());
      expect(compileTraining(lenet(), { ...recipe, optimizer: copy })).to.deep.equal(program);
    });

  it('has the defaults of PyTorch', () => {
    const rate = (optimizer: Optimizer) => optimizer.learningRate.at(0, { stepsPerEpoch: 1 });
    expect([adam(), adamW(), rmsProp(), adagrad(), adadelta()].map(rate)).to.deep.equal([
      ...[1e-3, 1e-3, 1e-2, 1e-2, 1],
    ]);
    expect(adamW().settingsOf('x.w').weightDecay).to.equal(0.01);
    expect(adam().settingsOf('x.w').weightDecay).to.equal(0);
  });

  it('tells LARS and LAMB whom to trust', () => {
    const optimizer = lamb({ groups: [{ match: /\.b$/, trustRatio: false }] });
    const program = compileTraining(lenet(), { ...recipe, optimizer });
    const [step] = named(program, 'lamb');
    const trusted = program.buffers[step!.operands[6]!.buffer]!;
    const constant = program.constants.find(({ offset }) => offset === trusted.offset)!;
    const flags = new Int32Array(Uint8Array.from(Buffer.from(constant.data, 'base64')).buffer);
    expect([...flags]).to.deep.equal(
      program.parameters.map((p) => (p.name.endsWith('.b') ? 0 : 1)),
    );
  });

  it('clips by a measured factor, or by a bound that is known', () => {
    const measured = compileTraining(lenet(), {
      ...{ ...recipe, optimizer: sgd({ clip: { norm: 1 } }) },
    });
    expect(measured.instructions.slice(-3).map((i) => i.op)).to.deep.equal([
      ...['checkFinite', 'clipNorm', 'sgd'],
    ]);
    const known = compileTraining(lenet(), {
      ...{ ...recipe, optimizer: sgd({ clip: { value: 0.5 } }) },
    });
    const clip = known.buffers.find((b) => b.name === 'clip')!;
    const constant = known.constants.find(({ offset }) => offset === clip.offset)!;
    const bounds = new Float32Array(Uint8Array.from(Buffer.from(constant.data, 'base64')).buffer);
    expect([...bounds]).to.deep.equal([1, 0.5]);
  });

  it('a frozen group costs nothing and changes nothing', () => {
    const optimizer = adam({ groups });
    const program = compileTraining(lenet(), { ...recipe, optimizer });
    const trained = program.parameters.filter((p) => p.trainable).map((p) => p.name);
    expect(trained).to.have.members(['conv1.w', 'conv1.b', 'conv2.w', 'conv2.b', 'fc1.b', 'fc2.b']);
    const same = compileTraining(lenet(), {
      ...{ ...recipe, optimizer: adam({ groups: groups.slice(0, 1) }) },
      freeze: [/^fc.*w$/],
    });
    expect(program).to.deep.equal(same);
  });

  it('refuses numbers that make no sense', () => {
    const wrong = [
      () => adam({ betas: [1, 0.9] }),
      () => adam({ betas: [0.9, -1] }),
      () => adam({ betas: 0.9 as unknown as [number, number] }),
      () => adam({ epsilon: -1 }),
      () => adam({ momentum: 0.9 } as object),
      () => adamW({ amsgrad: 1 as unknown as boolean }),
      () => rmsProp({ alpha: 1 }),
      () => rmsProp({ momentum: -1 }),
      () => adagrad({ learningRateDecay: -1 }),
      () => adagrad({ initialAccumulator: NaN }),
      () => adadelta({ rho: 2 }),
      () => lars({ trustCoefficient: 0 }),
      () => lamb({ betas: [0.9, 1] }),
      () => lamb({ groups: [{ match: /x/, trustRatio: 0 as unknown as boolean }] }),
      () => sgd({ clip: { norm: 0 } }),
      () => sgd({ clip: { value: -1 } }),
      () => sgd({ clip: {} as { norm: number } }),
      () => sgd({ clip: { norm: 1, value: 1 } }),
      () => sgd({ clip: 1 as unknown as { norm: number } }),
      () => adadelta({ groups: [{ match: /x/, frozen: 'yes' as unknown as boolean }] }),
    ];
    for (const make of wrong) expect(thrown(make).code, String(make)).to.equal('INVALID_ARGUMENT');
  });
});
