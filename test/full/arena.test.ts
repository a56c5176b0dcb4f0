// The arena of every network of the zoo beside the largest sum of live bytes.
import { expect } from 'chai';
import { zoo } from '../../lib/models/zoo.js';
import { compileInference, compileTraining } from '../../lib/program/compile.js';
import { Plan } from '../../lib/program/plan.js';
import { recipe } from '../program/nets.js';

describe('arena: the zoo', () => {
  it('takes 1.02 of the lower bound on average over the zoo, 1.05 at most', function () {
    const ratios: number[] = [];
    for (const [name, build] of Object.entries(zoo)) {
      const net = build();
      for (const batch of [1, 3, 16])
        for (const program of [
          compileTraining(net, { ...recipe, batch }),
          compileInference(net, { batch }),
        ]) {
          const { bytes, lowerBound: least } = new Plan(program).arena;
          expect(bytes / least, `${name} ${program.kind} ${batch}`).to.be.within(1, 1.05);
          ratios.push(bytes / least);
        }
    }
    const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
    this.test!.title += ` (mean ${mean.toFixed(4)}, worst ${Math.max(...ratios).toFixed(4)})`;
    expect(mean).to.be.at.most(1.02);
  });
});
