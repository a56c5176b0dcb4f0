import { largeModels } from '../models/parity.js';
import { deep, small } from '../models/small.js';
import { expectStep, readExpected } from '../models/step.js';
import { expectSteps } from '../models/steps.js';

describe('large models: one training step as PyTorch computes it', () => {
  let expected: Awaited<ReturnType<typeof readExpected>>;
  before(async () => {
    expected = await readExpected();
  });

  for (const model of largeModels)
    for (const precision of ['float64', 'float32'] as const)
      it(`${model} in ${precision}`, () => expectStep(model, precision, expected)).timeout(120_000);
});

describe('large models: training', () => {
  for (const name of deep)
    it(`${name} takes steps on the CPU, and changes every parameter`, () =>
      expectSteps(small[name]!(), name)).timeout(120_000);
});
