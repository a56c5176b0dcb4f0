import { expect } from 'chai';
import { isSavedLossScale, LossScale } from '../../lib/training/loss-scale.js';

function times(n: number, act: () => void): void {
  for (let i = 0; i < n; i++) act();
}

describe('the loss scale', () => {
  it('is for float16 alone', () => {
    for (const precision of ['float32', 'float64', 'tf32', 'bfloat16'] as const)
      expect(LossScale.of(precision, undefined, undefined)).to.equal(undefined);
    expect(LossScale.of('float16', undefined, undefined)!.state).to.deep.equal({
      scale: 65536,
      goodSteps: 0,
      skippedSteps: 0,
    });
  });

  // The values of torch.amp.GradScaler(init_scale=65536) after the same steps.
  it('halves after an overflow, doubles after 2000 steps without', () => {
    const scale = LossScale.of('float16', undefined, undefined)!;
    expect(scale.overflowed()).to.equal(true);
    expect(scale.state.scale).to.equal(32768);
    times(1999, () => scale.stepped());
    expect(scale.state).to.deep.equal({ scale: 32768, goodSteps: 1999, skippedSteps: 1 });
    scale.overflowed();
    expect(scale.state).to.deep.equal({ scale: 16384, goodSteps: 0, skippedSteps: 2 });
    times(2000, () => scale.stepped());
    expect(scale.state).to.deep.equal({ scale: 32768, goodSteps: 0, skippedSteps: 2 });
    times(4000, () => scale.stepped());
    expect(scale.state.scale).to.equal(131072);
  });

  it('moves by the rule that is given, and a number stays', () => {
    const rule = { initial: 1024, growth: 4, backoff: 0.25, interval: 3 };
    const scale = LossScale.of('float16', rule, undefined)!;
    times(3, () => scale.stepped());
    expect(scale.state.scale).to.equal(4096);
    scale.overflowed();
    expect(scale.state.scale).to.equal(1024);
    const fixed = LossScale.of('float16', 512, undefined)!;
    times(5000, () => fixed.stepped());
    expect(fixed.overflowed()).to.equal(true);
    expect(fixed.state).to.deep.equal({ scale: 512, goodSteps: 0, skippedSteps: 1 });
  });

  it('gives up where no scale helps, and never becomes infinite', () => {
    const scale = LossScale.of('float16', { initial: 1 }, undefined)!;
    times(24, () => expect(scale.overflowed()).to.equal(true));
    expect(scale.overflowed()).to.equal(false);
    expect(scale.state).to.deep.equal({ scale: 2 ** -24, goodSteps: 0, skippedSteps: 24 });
    const large = LossScale.of('float16', { initial: 2 ** 100, interval: 1 }, undefined)!;
    times(100, () => large.stepped());
    expect(Math.fround(large.state.scale)).to.equal(2 ** 127);
  });

  it('goes on from a checkpoint, rule and state', () => {
    const scale = LossScale.of('float16', { initial: 256, interval: 5 }, undefined)!;
    scale.overflowed();
    times(3, () => scale.stepped());
    const saved: unknown = JSON.parse(JSON.stringify(scale));
    expect(isSavedLossScale(saved)).to.equal(true);
    if (!isSavedLossScale(saved)) return;
    const resumed = LossScale.of('float16', undefined, saved)!;
    for (const s of [scale, resumed]) times(2, () => s.stepped());
    expect(resumed.toJSON()).to.deep.equal(scale.toJSON());
    expect(resumed.state.scale).to.equal(256);
    const other = LossScale.of('float16', { interval: 7 }, saved)!;
    expect(other.toJSON()).to.deep.include({ scale: 128, interval: 7, skippedSteps: 1 });
    expect(LossScale.of('float16', 64, saved)!.state.scale).to.equal(64);
    for (const wrong of [null, {}, { ...saved, scale: 0 }, { ...saved, goodSteps: '1' }])
      expect(isSavedLossScale(wrong)).to.equal(false);
  });
});
