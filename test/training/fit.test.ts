import { expect } from 'chai';
import { batches, fromAsyncIterable, take, type Dataset } from '../../lib/data/index.js';
import type { StriateError } from '../../lib/errors.js';
import { CancelledError } from '../../lib/errors.js';
import { batchNorm, dense } from '../../lib/layers/index.js';
import { sequential } from '../../lib/graph/sequential.js';
import { sgd } from '../../lib/optimizers/index.js';
import { cosine } from '../../lib/schedules/index.js';
import { codeOf, errorOf } from '../support/errors.js';
import { closeTrainers, quadrants, smallTrainer } from './support.js';

describe('fit', () => {
  closeTrainers();
  const set = quadrants(200);
  const validation = quadrants(60, 2);

  it('learns, and tells of every epoch', async () => {
    const trainer = await smallTrainer();
    const seen = [];
    for await (const epoch of trainer.fit(set, { epochs: 6, validation })) seen.push(epoch);
    expect(seen.map(({ epoch, step }) => [epoch, step])).to.deep.equal(
      [1, 2, 3, 4, 5, 6].map((e) => [e, 13 * e]),
    );
    const last = seen[5]!;
    expect(last.train.count).to.equal(200);
    expect(last.train).not.to.have.property('top5');
    expect(last.train.loss).to.be.below(seen[0]!.train.loss);
    expect(last.validation!.accuracy).to.be.above(0.9);
    expect(last.learningRate).to.equal(0.05);
    expect(last.imagesPerSecond).to.be.above(0);
    expect(last.dataWait).to.be.at.least(0);
    expect(trainer.classes).to.deep.equal(['a', 'b', 'c', 'd']);
    const evaluated = await trainer.evaluate(validation);
    expect(evaluated).to.deep.equal(last.validation);
  });

  it('can be awaited: the history, and the best epoch', async () => {
    const trainer = await smallTrainer();
    const { epochs, best } = await trainer.fit(set, { epochs: 3, validation });
    expect(epochs).to.have.length(3);
    const highest = Math.max(...epochs.map((e) => e.validation!.accuracy));
    expect(best!.validation!.accuracy).to.equal(highest);
  });

  it('runs nothing before it is pulled, and no step during the loop’s body', async () => {
    const trainer = await smallTrainer();
    const fit = trainer.fit(set, { epochs: 2 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(trainer.steps).to.equal(0);
    for await (const { step } of fit) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(trainer.steps).to.equal(step);
    }
  });

  it('goes on after a break, and adds to a fit that ended', async () => {
    const trainer = await smallTrainer();
    for await (const { epoch } of trainer.fit(set, { epochs: 3 })) if (epoch === 1) break;
    expect(trainer.epochs).to.equal(1);
    const { epochs } = await trainer.fit(set, { epochs: 3 });
    expect(epochs.map(({ epoch }) => epoch)).to.deep.equal([2, 3]);
    const more = await trainer.fit(set, { epochs: 1 });
    expect(more.epochs.map(({ epoch }) => epoch)).to.deep.equal([4]);
  });

  it('stops after the current step when an iterator is returned', async () => {
    const trainer = await smallTrainer();
    const large = quadrants(20_000);
    const iterator = trainer.fit(large, { epochs: 5 })[Symbol.asyncIterator]();
    const pulled = iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await iterator.return!();
    expect((await pulled).done).to.equal(true);
    expect(trainer.steps).to.be.within(1, 1249);
  });

  it('stops after maxSteps, in the middle of an epoch too', async () => {
    const trainer = await smallTrainer();
    const { epochs } = await trainer.fit(set, { epochs: 5, maxSteps: 17 });
    expect(epochs.map(({ step }) => step)).to.deep.equal([13, 17]);
    expect(trainer.position).to.deep.equal({ epoch: 1, sample: 64 });
  });

  it('refuses a second fit, and steps, while one is active', async () => {
    const trainer = await smallTrainer();
    const codes: (string | undefined)[] = [];
    for await (const { epoch } of trainer.fit(set, { epochs: 1 })) {
      expect(epoch).to.equal(1);
      codes.push(await codeOf(trainer.fit(set)));
      const next = await batches(set, { batch: 16 }).next();
      codes.push(await codeOf(trainer.step(next.value!)));
      expect((await trainer.evaluate(validation)).count).to.equal(60);
    }
    expect(codes).to.deep.equal(['BUSY', 'BUSY']);
    const results = await Promise.allSettled([trainer.fit(set), trainer.fit(set)]);
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected']);
  });

  it('ends with CANCELLED after the current step; the trainer stays usable', async () => {
    const trainer = await smallTrainer();
    const controller = new AbortController();
    const reason = new Error('enough');
    const slow: Dataset = {
      ...set,
      async read(indices, into, signal) {
        if (trainer.steps === 4) controller.abort(reason);
        await set.read(indices, into, signal);
      },
    };
    const error = await errorOf(trainer.fit(slow, { epochs: 9, signal: controller.signal }));
    expect(error).to.be.instanceOf(CancelledError);
    expect(error!.cause).to.equal(reason);
    expect(trainer.steps).to.equal(5);
    expect(trainer.position).to.deep.equal({ epoch: 0, sample: 80 });
    const { epochs } = await trainer.fit(slow, { epochs: 1 });
    expect(epochs[0]!.step).to.equal(13);
  });

  it('runs no step when the signal is aborted already', async () => {
    const trainer = await smallTrainer();
    expect(await codeOf(trainer.fit(set, { signal: AbortSignal.abort() }))).to.equal('CANCELLED');
    expect(trainer.steps).to.equal(0);
  });

  it('names the sample of a label out of range, before its step', async () => {
    const trainer = await smallTrainer();
    const wrong: Dataset = {
      ...set,
      async read(indices, into, signal) {
        await set.read(indices, into, signal);
        indices.forEach((index, i) => {
          if (index === 137) into.target[i] = 4;
        });
      },
    };
    const before = await trainer.parametersSha256();
    const error = (await errorOf(trainer.fit(wrong, { shuffle: false }))) as StriateError;
    expect(error.code).to.equal('INVALID_DATA');
    expect(error.message).to.contain('sample 137').and.contain('label 4').and.contain('4 classes');
    expect(trainer.steps).to.equal(Math.floor(137 / 16));
    expect(await trainer.parametersSha256()).not.to.equal(before);
  });

  it('refuses images and targets that the network does not take', async () => {
    const trainer = await smallTrainer();
    const other = { ...set, shape: [4, 16, 1] };
    expect(await codeOf(trainer.fit(other))).to.equal('INVALID_ARGUMENT');
    const numbers = { ...set, target: { dtype: 'float32' as const, shape: [4] } };
    expect(await codeOf(trainer.fit(numbers))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(trainer.fit(set, { epochs: -1 }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(trainer.fit(set, { epoch: 3 } as object))).to.equal('INVALID_ARGUMENT');
    for (const none of [undefined, {}] as unknown as Dataset[]) {
      expect(await codeOf(trainer.fit(none))).to.equal('INVALID_ARGUMENT');
      expect(await codeOf(trainer.evaluate(none))).to.equal('INVALID_ARGUMENT');
    }
    for (const none of [undefined, {}])
      expect(await codeOf(trainer.step(none as never))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(trainer.save(undefined as never))).to.equal('INVALID_ARGUMENT');
  });

  it('says how to avoid a last batch with one value a channel', async () => {
    const network = sequential([8, 8, 1], [dense({ units: 4 }), batchNorm()]);
    const trainer = await smallTrainer({}, network);
    const error = (await errorOf(trainer.fit(take(set, 33)))) as StriateError;
    expect(error.code).to.equal('INVALID_ARGUMENT');
    expect(error.remedy).to.contain('dropLast');
    expect(trainer.steps).to.equal(2);
    const { epochs } = await trainer.fit(take(set, 33), { dropLast: true, epochs: 2 });
    expect(epochs.at(-1)!.step).to.equal(4);
  });

  it('reads and stages the next batch while a step runs', async () => {
    const trainer = await smallTrainer();
    const atRead: number[] = [];
    const counted: Dataset = {
      ...set,
      read(indices, into, signal) {
        atRead.push(trainer.steps);
        return set.read(indices, into, signal);
      },
    };
    await trainer.fit(counted, { epochs: 1 });
    expect(atRead.slice(0, 6)).to.deep.equal([0, 0, 1, 2, 3, 4]);
  });

  it('measures the wait for data, and says what may help when it dominates', async () => {
    const trainer = await smallTrainer();
    const late: Dataset = {
      ...set,
      workers: 1,
      async read(indices, into, signal) {
        await new Promise((resolve) => setTimeout(resolve, 40));
        await set.read(indices, into, signal);
      },
    };
    const { epochs } = await trainer.fit(late, { epochs: 1, prefetch: 1 });
    const [epoch] = epochs;
    expect(epoch!.dataWait).to.be.above(0.3).and.at.most(epoch!.seconds);
    expect(epoch!.advice)
      .to.match(/^\d+ % of the time/)
      .and.contain('striate pack');
    const prompt = await trainer.fit(set, { epochs: 1 });
    expect(prompt.epochs[0]!.dataWait).to.be.below(epoch!.dataWait);
  });

  it('takes streams, in their order', async () => {
    const trainer = await smallTrainer();
    async function* samples(): AsyncGenerator<{ x: Uint8Array; target: number }> {
      for await (const b of batches(set, { batch: 1, shuffle: false }))
        yield { x: b.x as Uint8Array, target: b.target[0]! };
    }
    const stream = fromAsyncIterable(samples, { shape: [8, 8, 1] });
    const { epochs } = await trainer.fit(stream, { epochs: 2 });
    expect(epochs.map(({ step, train }) => [step, train.count])).to.deep.equal([
      [13, 200],
      [26, 200],
    ]);
    expect(trainer.epochs).to.equal(2);
    const plain = await smallTrainer();
    await plain.fit(set, { epochs: 2, shuffle: false });
    expect(await trainer.parametersSha256()).to.equal(await plain.parametersSha256());
  });

  it('counts a schedule’s epochs in the steps of the set', async () => {
    const learningRate = cosine({ from: 0.1, over: { epochs: 2 } });
    const trainer = await smallTrainer({ optimizer: sgd({ learningRate }) });
    const { epochs } = await trainer.fit(set, { epochs: 2 });
    const expected = [12, 25].map((s) => 0.05 * (1 + Math.cos((Math.PI * s) / 26)));
    expect(epochs.map((e) => e.learningRate)).to.deep.equal(expected);
    const loose = await smallTrainer({ optimizer: sgd({ learningRate }) });
    const batch = { x: new Uint8Array(64), target: Int32Array.of(0) };
    expect(await codeOf(loose.step(batch))).to.equal('INVALID_ARGUMENT');
  });

  it('lets timers run while it trains', async () => {
    const trainer = await smallTrainer();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await trainer.fit(set, { epochs: 10 });
    clearInterval(timer);
    expect(ticks).to.be.above(3);
  });

  it('shows nothing on its own', async () => {
    const trainer = await smallTrainer();
    const { write } = process.stderr;
    let written = '';
    process.stderr.write = (text: string) => ((written += text), true);
    try {
      await trainer.fit(set, { epochs: 1 });
      expect(written).to.equal('');
      await trainer.fit(set, { epochs: 1, validation, progress: true });
    } finally {
      process.stderr.write = write;
    }
    expect(written).to.match(
      /epoch 2\/2 .*images\/s .*loss .*accuracy .*data wait .*validation loss/,
    );
  });
});
