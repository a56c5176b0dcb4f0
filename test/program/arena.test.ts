import { expect } from 'chai';
import { align, assignOffsets, lowerBound, type Block } from '../../lib/program/arena.js';
import { compileInference, compileTraining } from '../../lib/program/compile.js';
import { Plan } from '../../lib/program/plan.js';
import { verify } from '../../lib/program/verify.js';
import { diamond, lenet, mixture, nestedConcat, randomNetwork, recipe, residual } from './nets.js';

function overlapping(blocks: readonly Block[], offsets: readonly number[]): number {
  let count = 0;
  blocks.forEach((a, i) => {
    blocks.forEach((b, j) => {
      const together = i < j && a.first <= b.last && b.first <= a.last;
      if (together && offsets[i]! < offsets[j]! + b.bytes && offsets[j]! < offsets[i]! + a.bytes)
        count++;
    });
  });
  return count;
}

describe('arena', () => {
  it('packs blocks that never live together into the same bytes', () => {
    const blocks = [0, 1, 2, 3].map((i) => ({ bytes: 100, first: 2 * i, last: 2 * i + 1 }));
    expect(assignOffsets(blocks)).to.deep.equal({ offsets: [0, 0, 0, 0], bytes: 128 });
    expect(assignOffsets([])).to.deep.equal({ offsets: [], bytes: 0 });
  });

  it('never overlaps and never undercuts the live bytes: random blocks', () => {
    let state = 1;
    const draw = (n: number): number => (state = (state * 48271) % 2147483647) % n;
    let ratio = 0;
    const rounds = 60;
    for (let round = 0; round < rounds; round++) {
      const blocks = Array.from({ length: 3 + draw(60) }, () => {
        const first = draw(40);
        return { bytes: 1 + draw(5000), first, last: first + draw(12) };
      });
      const { offsets, bytes } = assignOffsets(blocks);
      expect(overlapping(blocks, offsets)).to.equal(0);
      for (const o of offsets) expect(o % 64).to.equal(0);
      expect(bytes).to.be.at.least(lowerBound(blocks));
      expect(bytes).to.be.at.most(blocks.reduce((sum, b) => sum + align(b.bytes), 0));
      ratio += bytes / lowerBound(blocks) / rounds;
    }
    expect(ratio).to.be.below(1.1);
  });

  it('plans random networks soundly and close to the lower bound', function () {
    let sum = 0;
    let worst = 1;
    const seeds = 60;
    for (let seed = 0; seed < seeds; seed++) {
      const net = randomNetwork(seed);
      const batch = [1, 2, 5, 7][seed % 4]!;
      const program = compileTraining(net, { ...recipe, batch });
      expect(verify(program), `seed ${seed}`).to.deep.equal([]);
      expect(verify(compileInference(net, { batch }))).to.deep.equal([]);
      const { arena } = new Plan(program);
      expect(arena.bytes).to.be.at.least(arena.lowerBound);
      sum += arena.bytes / arena.lowerBound;
      worst = Math.max(worst, arena.bytes / arena.lowerBound);
    }
    this.test!.title += ` (mean ${(sum / seeds).toFixed(4)}, worst ${worst.toFixed(4)})`;
    expect(sum / seeds).to.be.at.most(1.02);
  });

  it('is no larger than 1.05 of the lower bound for the networks of these tests', () => {
    for (const net of [lenet(), diamond(), residual(), nestedConcat(), mixture()])
      for (const batch of [1, 3, 64]) {
        const { arena } = new Plan(compileTraining(net, { ...recipe, batch }));
        expect(arena.bytes / arena.lowerBound).to.be.within(1, 1.05);
      }
  });

  it('finds the lower bound by search where no order by size does', () => {
    const blocks: Block[] = [
      [3, 1, 3],
      [1, 4, 6],
      [2, 3, 4],
      [4, 5, 9],
      [2, 2, 6],
      [5, 3, 5],
      [3, 4, 6],
    ].map(([size, first, last]) => ({ bytes: 64 * size!, first: first!, last: last! }));
    const { offsets, bytes } = assignOffsets(blocks);
    expect(overlapping(blocks, offsets)).to.equal(0);
    expect(bytes).to.equal(lowerBound(blocks));
    expect(assignOffsets(blocks)).to.deep.equal({ offsets, bytes });
  });
});
