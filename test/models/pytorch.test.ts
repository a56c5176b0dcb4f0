import { expect } from 'chai';
import { largeModels, parityModels, parityParameters } from './parity.js';
import { expectStep, readExpected } from './step.js';

describe('models: one training step as PyTorch computes it', () => {
  let expected: Awaited<ReturnType<typeof readExpected>>;
  before(async () => {
    expected = await readExpected();
  });

  it('has values for exactly these networks', () => {
    const wanted = Object.entries(parityModels).flatMap(([model, make]) => [
      `${model}/loss`,
      ...parityParameters(model, make()).map(({ name }) => `${model}/${name}`),
    ]);
    expect([...expected.keys()], 'run test/fixtures/pytorch_models.py').to.have.members(wanted);
  });

  for (const model of Object.keys(parityModels))
    for (const precision of ['float64', 'float32'] as const)
      if (!largeModels.has(model))
        it(`${model} in ${precision}`, () => expectStep(model, precision, expected));
});
