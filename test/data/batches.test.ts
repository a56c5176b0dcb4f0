import { expect } from 'chai';
import {
  batches,
  fromArrays,
  fromAsyncIterable,
  split,
  subset,
  take,
  type ArrayOptions,
  type Batch,
  type BatchOptions,
  type Dataset,
  type StreamSample,
} from '../../lib/data/index.js';
import { Permutation } from '../../lib/data/permutation.js';
import { codeOf } from '../support/errors.js';
import { thrown } from '../support/thrown.js';

/** Images of two values, [i, i + 100], labelled i % 10. */
function numbered(length: number): Dataset {
  return fromArrays({
    x: Float32Array.from({ length: 2 * length }, (_, i) => (i >> 1) + 100 * (i & 1)),
    shape: [2],
    target: Int32Array.from({ length }, (_, i) => i % 10),
  });
}

async function collect(set: Dataset, options: BatchOptions): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches(set, options)) all.push(batch);
  return all;
}

describe('the order of an epoch', () => {
  it('holds every sample once', () => {
    for (const length of [1, 2, 3, 5, 17, 64, 1000, 60_000]) {
      const order = new Permutation(length, 3, 1);
      const seen = new Set(Array.from({ length }, (_, i) => order.at(i)));
      expect(seen.size).to.equal(length);
      expect(Math.max(...[...seen].slice(-1000))).to.be.below(length);
    }
  });

  it('differs by seed and epoch, and is the same for the same two', () => {
    const first = (seed: number, epoch: number): string => {
      const order = new Permutation(1000, seed, epoch);
      return Array.from({ length: 20 }, (_, i) => order.at(i)).join();
    };
    const orders = [first(0, 0), first(0, 1), first(1, 0), first(2 ** 32, 0), first(5, 7)];
    expect(new Set(orders).size).to.equal(orders.length);
    expect(first(5, 7)).to.equal(first(5, 7));
  });

  it('spreads samples evenly: position and sample are uncorrelated, neighbours far apart', () => {
    const length = 10_000;
    let correlation = 0;
    let neighbours = 0;
    for (let epoch = 0; epoch < 10; epoch++) {
      const order = new Permutation(length, 0, epoch);
      let sum = 0;
      for (let i = 0; i < length; i++) {
        sum += (i / length - 0.5) * (order.at(i) / length - 0.5);
        if (Math.abs(order.at(i) - order.at((i + 1) % length)) === 1) neighbours++;
      }
      correlation = Math.max(correlation, Math.abs((sum / length) * 12));
    }
    // A random order: deviation 1/sqrt(length) = 0.01, two neighbours an epoch.
    expect(correlation).to.be.below(0.04);
    expect(neighbours).to.be.below(60);
  });
});

describe('batches', () => {
  it('gives every sample once an epoch, the last batch smaller', async () => {
    const all = await collect(numbered(50), { batch: 8, epochs: 3, seed: 1 });
    const sizes = [8, 8, 8, 8, 8, 8, 2];
    expect(all.map((b) => b.n)).to.deep.equal([...sizes, ...sizes, ...sizes]);
    for (let epoch = 0; epoch < 3; epoch++) {
      const own = all.filter((b) => b.epoch === epoch);
      const seen = own.flatMap((b) => [...b.indices]).sort((a, b) => a - b);
      expect(seen).to.deep.equal(Array.from({ length: 50 }, (_, i) => i));
      expect(own.map((b) => b.last)).to.deep.equal([...Array<boolean>(6).fill(false), true]);
    }
    for (const b of all) {
      expect([...b.x]).to.deep.equal([...b.indices].flatMap((i) => [i, i + 100]));
      expect([...b.target]).to.deep.equal([...b.indices].map((i) => i % 10));
      expect(b.stepsPerEpoch).to.equal(7);
    }
  });

  it('leaves out a smaller last batch when asked', async () => {
    const all = await collect(numbered(50), { batch: 8, dropLast: true });
    expect(all.map((b) => b.n)).to.deep.equal([8, 8, 8, 8, 8, 8]);
    expect(await codeOf(collect(numbered(5), { batch: 8, dropLast: true }))).to.equal(
      'INVALID_DATA',
    );
  });

  it('continues in the middle with the batches of the uninterrupted run', async () => {
    const set = numbered(50);
    const all = await collect(set, { batch: 8, epochs: 3, seed: 4 });
    const { epoch, sample } = all[10] as Batch;
    const rest = await collect(set, { batch: 8, epochs: 3, seed: 4, start: { epoch, sample } });
    expect(rest.map((b) => [...b.indices])).to.deep.equal(all.slice(10).map((b) => [...b.indices]));
  });

  it('reads the next batch while the caller works, and no further', async () => {
    let reads = 0;
    const set = numbered(64);
    const counted: Dataset = {
      ...set,
      read: (indices, into, signal) => (reads++, set.read(indices, into, signal)),
    };
    const iterator = batches(counted, { batch: 8 });
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(reads).to.equal(2);
    await iterator.return();
    expect(reads).to.equal(2);
  });

  it('passes errors of the data set on, at the batch they belong to', async () => {
    const set = numbered(64);
    let reads = 0;
    const failing: Dataset = {
      ...set,
      read: (indices, into) => {
        if (reads++ === 2) throw new Error('disk on fire');
        return set.read(indices, into);
      },
    };
    const seen: number[] = [];
    try {
      for await (const b of batches(failing, { batch: 8 })) seen.push(b.n);
      expect.fail('no error');
    } catch (error) {
      expect((error as Error).message).to.equal('disk on fire');
    }
    expect(seen).to.deep.equal([8, 8]);
  });

  it('ends with CANCELLED when the signal is aborted', async () => {
    expect(await codeOf(collect(numbered(9), { batch: 2, signal: AbortSignal.abort() }))).to.equal(
      'CANCELLED',
    );
  });

  it('refuses a batch of nothing and an empty set', async () => {
    expect(await codeOf(collect(numbered(9), { batch: 0 }))).to.equal('INVALID_ARGUMENT');
    expect(await codeOf(collect(numbered(0), { batch: 2 }))).to.equal('INVALID_DATA');
  });
});

describe('fromArrays', () => {
  it('refuses lengths that do not fit', () => {
    const x = new Uint8Array(12);
    expect(() => fromArrays({ x, shape: [5], target: [0, 0] })).to.throw('no multiple');
    expect(() => fromArrays({ x, shape: [4], target: [0, 0] })).to.throw('need 3');
  });

  it('refuses class indices that are no whole numbers, and keeps numbers to learn', () => {
    const x = new Uint8Array(4);
    const wrong: unknown[] = [[0.5, 1], [1, NaN], [1, 2 ** 31], new BigInt64Array(2), undefined];
    for (const target of wrong) {
      const make = (): unknown => fromArrays({ x, shape: [2], target: target as number[] });
      expect(thrown(make).code, String(target)).to.equal('INVALID_ARGUMENT');
    }
    const numbers = Float64Array.of(0.5, 1) as unknown as Float32Array;
    expect(fromArrays({ x, shape: [2], target: numbers }).target).to.deep.equal({
      dtype: 'float32',
      shape: [],
    });
  });

  it('names options that it does not have', () => {
    const options = { x: new Uint8Array(4), shape: [2], targets: [0, 1] };
    const error = thrown(() => fromArrays(options as unknown as ArrayOptions));
    expect(error.remedy).to.equal("Did you mean 'target'?");
    expect(thrown(() => fromArrays({ x: options.x, target: [0] } as never)).code).to.equal(
      'INVALID_SHAPE',
    );
  });

  it('takes targets with a shape', async () => {
    const set = fromArrays({
      x: new Uint8Array(4),
      shape: [2],
      target: Float32Array.of(1, 2, 3, 4, 5, 6),
      targetShape: [3],
    });
    const [batch] = await collect(set, { batch: 2, shuffle: false });
    expect([...(batch as Batch).target]).to.deep.equal([1, 2, 3, 4, 5, 6]);
  });
});

describe('parts of a set', () => {
  it('take and subset keep the samples', async () => {
    const [batch] = await collect(take(subset(numbered(20), [3, 1, 4, 1]), 3), {
      batch: 8,
      shuffle: false,
    });
    expect([...(batch as Batch).x]).to.deep.equal([3, 103, 1, 101, 4, 104]);
    expect(() => subset(numbered(2), [2])).to.throw('no sample 2');
  });

  it('split shares no sample and loses none', async () => {
    const [a, b] = split(numbered(100), 0.8, { seed: 2 });
    expect([a.length, b.length]).to.deep.equal([80, 20]);
    const values = async (set: Dataset): Promise<number[]> =>
      (await collect(set, { batch: 100 })).flatMap((batch) =>
        [...batch.x].filter((_, i) => i % 2 === 0),
      );
    const all = [...(await values(a)), ...(await values(b))].sort((p, q) => p - q);
    expect(all).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
  });
});

describe('fromAsyncIterable', () => {
  async function* samples(): AsyncGenerator<StreamSample> {
    for (let i = 0; i < 10; i++) yield { x: Uint8Array.of(i, i), target: i % 3 };
  }

  for (const length of [undefined, 10])
    it(`gives all samples in order, epoch after epoch (length ${length})`, async () => {
      const set = fromAsyncIterable(samples, {
        shape: [2],
        ...(length === undefined ? {} : { length }),
      });
      const all = await collect(set, { batch: 4, epochs: 2 });
      expect(all.map((b) => b.n)).to.deep.equal([4, 4, 2, 4, 4, 2]);
      expect(all.flatMap((b) => [...b.target])).to.deep.equal(
        [0, 1].flatMap(() => Array.from({ length: 10 }, (_, i) => i % 3)),
      );
    });

  it('says that shuffling and resuming are not to be had', async () => {
    const set = fromAsyncIterable(samples, { shape: [2] });
    const code = (options: Partial<BatchOptions>): Promise<string | undefined> =>
      codeOf(collect(set, { batch: 4, ...options }));
    expect(await code({ shuffle: true })).to.equal('INVALID_ARGUMENT');
    expect(await code({ start: { epoch: 0, sample: 4 } })).to.equal('INVALID_ARGUMENT');
  });

  it('says that an iterable is used up', async () => {
    const set = fromAsyncIterable(samples(), { shape: [2] });
    expect(await codeOf(collect(set, { batch: 4, epochs: 2 }))).to.equal('INVALID_DATA');
  });

  it('refuses samples of another size', async () => {
    const set = fromAsyncIterable(samples, { shape: [3] });
    expect(await codeOf(collect(set, { batch: 4 }))).to.equal('INVALID_DATA');
  });
});
