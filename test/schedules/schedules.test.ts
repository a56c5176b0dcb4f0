import { expect } from 'chai';
import {
  constant,
  cosine,
  exponential,
  inv,
  multiStep,
  polynomial,
  scheduleFromJSON,
  step,
  warmup,
  type Schedule,
} from '../../lib/schedules/index.js';

const context = { stepsPerEpoch: 10 };

function expectRates(schedule: Schedule, rates: Record<number, number>): void {
  for (const [s, rate] of Object.entries(rates))
    expect(schedule.at(Number(s), context), `step ${s}`).to.be.closeTo(rate, 1e-15);
}

describe('schedules', () => {
  it('constant', () => {
    expectRates(constant(0.1), { 0: 0.1, 1e6: 0.1 });
  });

  // torch.optim.lr_scheduler.StepLR(step_size=30, gamma=0.1) and Caffe's "step".
  it('step', () => {
    expectRates(step({ from: 0.05, every: 30 }), {
      0: 0.05,
      29: 0.05,
      30: 0.005,
      59: 0.005,
      60: 0.0005,
    });
    expectRates(step({ from: 1, every: { epochs: 2 }, gamma: 0.5 }), { 19: 1, 20: 0.5, 40: 0.25 });
  });

  // torch.optim.lr_scheduler.MultiStepLR(milestones=[30, 80], gamma=0.1).
  it('multiStep', () => {
    const schedule = multiStep({ from: 0.05, at: [30, { epochs: 8 }] });
    expectRates(schedule, { 29: 0.05, 30: 0.005, 79: 0.005, 80: 0.0005, 200: 0.0005 });
  });

  // Caffe's "exp": base_lr * gamma^iter. ExponentialLR multiplies once an epoch.
  it('exponential', () => {
    expectRates(exponential({ from: 2, gamma: 0.5 }), { 0: 2, 1: 1, 3: 0.25 });
    expectRates(exponential({ from: 2, gamma: 0.25, per: { epochs: 1 } }), {
      5: 1,
      10: 0.5,
      20: 0.125,
    });
  });

  // Caffe's "poly": base_lr (1 - iter/max_iter)^power; PolynomialLR(total_iters=4, power=1.0) gives
  // 0.05 * (1, 0.75, 0.5, 0.25, 0).
  it('polynomial', () => {
    expectRates(polynomial({ from: 0.05, over: 4 }), {
      0: 0.05,
      1: 0.0375,
      2: 0.025,
      3: 0.0125,
      4: 0,
      9: 0,
    });
    expectRates(polynomial({ from: 1, over: 10, power: 2, to: 0.1 }), {
      5: 0.1 + 0.9 * 0.25,
      10: 0.1,
    });
  });

  // Caffe's "inv" with LeNet's numbers; 0.00594604 at iteration 10,000 is what its log prints.
  it('inv', () => {
    const schedule = inv({ from: 0.01, gamma: 1e-4, power: 0.75 });
    expectRates(schedule, { 0: 0.01, 10000: 0.01 * 2 ** -0.75 });
    expect(schedule.at(10000, context)).to.be.closeTo(0.00594604, 5e-9);
  });

  // CosineAnnealingLR: eta_min + (eta_max - eta_min) (1 + cos(pi T_cur / T_max)) / 2.
  it('cosine', () => {
    expectRates(cosine({ from: 1, over: 100 }), {
      0: 1,
      50: 0.5,
      25: 0.5 + Math.SQRT1_2 / 2,
      100: 0,
      300: 0,
    });
    expectRates(cosine({ from: 1, over: { epochs: 10 }, to: 0.2 }), { 50: 0.6, 100: 0.2 });
  });

  // LinearLR(start_factor=0.5, total_iters=4) over a rate of 0.05: 0.025, 0.03125, 0.0375, 0.04375, 0.05.
  it('warmup', () => {
    const schedule = warmup(0.05, { over: 4, factor: 0.5 });
    expectRates(schedule, { 0: 0.025, 1: 0.03125, 2: 0.0375, 3: 0.04375, 4: 0.05, 100: 0.05 });
    const chained = warmup(cosine({ from: 1, over: 100 }), { over: { epochs: 1 } });
    expectRates(chained, { 0: 0, 50: 0.5 });
    expect(chained.at(5, context)).to.be.closeTo(((1 + Math.cos(Math.PI * 0.05)) / 2) * 0.5, 1e-15);
  });

  it('survives JSON', () => {
    const all = [
      constant(0.1),
      step({ from: 1, every: { epochs: 3 } }),
      multiStep({ from: 1, at: [3, { epochs: 2 }], gamma: 0.3 }),
      exponential({ from: 1, gamma: 0.9, per: { epochs: 1 } }),
      polynomial({ from: 1, over: 50, power: 2, to: 0.1 }),
      inv({ from: 1, gamma: 0.1, power: 0.5 }),
      cosine({ from: 1, over: { epochs: 5 }, to: 0.1 }),
      warmup(step({ from: 1, every: 7 }), { over: 5, factor: 0.1 }),
    ];
    for (const schedule of all) {
      const copy = scheduleFromJSON(JSON.parse(JSON.stringify(schedule.toJSON())));
      expect(copy.toJSON()).to.deep.equal(schedule.toJSON());
      for (const s of [0, 1, 7, 33, 100])
        expect(copy.at(s, context)).to.equal(schedule.at(s, context));
    }
    expect(scheduleFromJSON(0.5).at(3, context)).to.equal(0.5);
  });

  it('refuses what is no schedule', () => {
    for (const json of [null, {}, 'x', [], { kind: 'toString' }, { kind: 7 }])
      expect(() => scheduleFromJSON(json))
        .to.throw()
        .with.property('code', 'INVALID_FORMAT');
    const malformed = [
      { kind: 'constant', rate: 'x' },
      { kind: 'step', from: 1, every: 0 },
      { kind: 'step', from: -1, every: 1 },
      { kind: 'step', from: 1 },
      { kind: 'multiStep', from: 1 },
      { kind: 'multiStep', from: 1, at: [{ epochs: -1 }] },
      { kind: 'cosine', from: 1, over: null },
      { kind: 'cosine', from: 1, over: { epochs: 'x' } },
      { kind: 'inv', from: 1, gamma: 1, power: NaN },
      { kind: 'warmup', of: 1, over: 'x' },
    ];
    for (const json of malformed)
      expect(() => scheduleFromJSON(json), JSON.stringify(json))
        .to.throw()
        .with.property('code', 'INVALID_ARGUMENT');
  });
});
