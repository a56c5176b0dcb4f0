import { largeModels } from '../models/parity.js';
import { expectStep, readExpected } from '../models/step.js';

describe('large models: one training step as PyTorch computes it', () => {
  let expected: Awaited<ReturnType<typeof readExpected>>;
  before(async () => {
    expected = await readExpected();
  });

  for (const model of largeModels)
    for (const precision of ['float64', 'float32'] as const)
      it(`${model} in ${precision}`, () => expectStep(model, precision, expected)).timeout(120_000);
});
