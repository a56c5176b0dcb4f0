import { expect } from 'chai';
import { models, sgd, softmaxCrossEntropy } from '../../lib/index.js';
import { compileTraining } from '../../lib/program/compile.js';
import { deep, narrow, small } from './small.js';
import { expectSteps } from './steps.js';

describe('models: training', () => {
  for (const [name, make] of Object.entries(small))
    it(`${name} takes steps on the CPU, and changes every parameter`, () =>
      expectSteps(deep.has(name) ? narrow(make(), 4, 16) : make(), name));

  it('every network of the zoo compiles for both kinds of device', () => {
    for (const [id, make] of Object.entries(models.zoo))
      for (const device of ['cpu', 'cuda'] as const) {
        const program = compileTraining(make(), {
          batch: 2,
          device,
          loss: softmaxCrossEntropy(),
          optimizer: sgd({ momentum: 0.9 }),
        });
        expect(program.instructions.length, `${id} on ${device}`).to.be.greaterThan(10);
      }
  });
});
