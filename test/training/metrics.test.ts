import { expect } from 'chai';
import { load, type MeasuredBatch } from '../../lib/index.js';
import { codeOf, errorOf } from '../support/errors.js';
import { closeTrainers, quadrants, smallTrainer, temporaryFolder } from './support.js';

/** The share of samples whose label has the largest output. */
function hits({ output, shape, target, n }: MeasuredBatch): number {
  const classes = shape[0]!;
  let found = 0;
  for (let i = 0; i < n; i++) {
    const row = Array.from(output.subarray(i * classes, (i + 1) * classes));
    found += Number(row.indexOf(Math.max(...row)) === target[i]);
  }
  return found / n;
}

/** How many of the first class there are. */
function firsts({ target, n }: MeasuredBatch): { sum: number; count: number } {
  return { sum: [...target.subarray(0, n)].filter((label) => label === 0).length, count: 1 };
}

describe('metrics of the user’s own', () => {
  closeTrainers();
  const file = temporaryFolder();

  it('see every batch, and are means over the samples', async () => {
    const trainer = await smallTrainer();
    await trainer.fit(quadrants(64));
    const set = quadrants(37, 5);
    const plain = await trainer.evaluate(set);
    expect(plain).to.not.have.property('own');
    const { own, ...rest } = await trainer.evaluate(set, { metrics: { hits, one: () => 1 } });
    expect(rest).to.deep.equal(plain);
    expect(own!.one).to.equal(1);
    expect(own!.hits).to.be.closeTo(plain.accuracy, 1e-12);
    await trainer.save(file('own.safetensors'));
    await using model = await load(file('own.safetensors'), { device: 'cpu', batch: 5 });
    const loaded = await model.evaluate(set, { metrics: { hits } });
    expect(loaded.own!.hits).to.be.closeTo(own!.hits!, 1e-12);
  });

  for (const microBatch of [16, 5])
    it(`are measured by a fit, in training and validation, ${microBatch} images at once`, async () => {
      const [trainer, other] = [
        await smallTrainer({ microBatch }),
        await smallTrainer({ microBatch }),
      ];
      const set = quadrants(75);
      const validation = quadrants(37, 5);
      const { epochs, best } = await trainer.fit(set, {
        ...{ epochs: 3, validation },
        metrics: { hits, firsts },
      });
      const plain = await other.fit(set, { epochs: 3, validation });
      expect(await trainer.parametersSha256()).to.equal(await other.parametersSha256());
      for (const [i, { train, validation: measured }] of epochs.entries()) {
        expect(train.own!.hits).to.be.closeTo(train.accuracy, 1e-12);
        expect(measured!.own!.hits).to.be.closeTo(measured!.accuracy, 1e-12);
        expect(train.loss).to.equal(plain.epochs[i]!.train.loss);
      }
      const { target } = await arraysOf(set);
      const inSet = target.filter((label) => label === 0).length;
      expect(epochs[0]!.train.own!.firsts).to.be.closeTo(inSet / 5, 1e-12);
      expect(best).to.equal(epochs.find((epoch) => epoch === best));
    });

  it('stand in the progress line', async () => {
    const trainer = await smallTrainer();
    const written: string[] = [];
    const { write } = process.stderr;
    process.stderr.write = (text: string | Uint8Array): boolean => written.push(String(text)) > 0;
    try {
      const metrics = { half: (): number => 0.5 };
      await trainer.fit(quadrants(32), { progress: true, metrics, validation: quadrants(8) });
    } finally {
      process.stderr.write = write;
    }
    expect(written.join('').match(/half 0\.5/g)).to.have.length(2);
  });

  it('are functions that give numbers', async () => {
    const set = quadrants(4);
    for (const hits of [3, (): string => 'many', (): unknown => ({ sum: 1 })]) {
      const trainer = await smallTrainer();
      const metrics = { hits: hits as never };
      expect(await codeOf(trainer.evaluate(set, { metrics }))).to.equal('INVALID_ARGUMENT');
      const error = await errorOf(trainer.fit(set, { metrics }));
      expect(error!.message).to.contain('hits');
    }
    const trainer = await smallTrainer();
    expect(await codeOf(trainer.evaluate(set, { metrics: 'hits' as never }))).to.equal(
      'INVALID_ARGUMENT',
    );
    // What the function throws comes through, and the trainer goes on.
    const mine = new RangeError('mine');
    const wrong = (): number => {
      throw mine;
    };
    const thrown = await trainer.fit(set, { metrics: { wrong } }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).to.equal(mine);
    const { epochs } = await trainer.fit(set, { epochs: 2, metrics: { hits } });
    expect(epochs[0]!.train.own!.hits).to.be.within(0, 1);
  });
});

async function arraysOf(set: ReturnType<typeof quadrants>): Promise<{ target: Int32Array }> {
  const x = new Uint8Array(set.length * 64);
  const target = new Int32Array(set.length);
  await set.read(
    Uint32Array.from({ length: set.length }, (_, i) => i),
    { x, target },
  );
  return { target };
}
