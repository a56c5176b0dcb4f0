import { expectScores, readFixture } from '../formats/evaluated.js';

describe('weights of torchvision: large models', () => {
  for (const model of ['alexnet-owt', 'vgg11-bn'])
    it(`${model} gives PyTorch’s scores`, async () => expectScores(await readFixture(), model));
});
