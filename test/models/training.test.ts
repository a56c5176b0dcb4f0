import { expect } from 'chai';
import { models, sgd, softmaxCrossEntropy, type Network } from '../../lib/index.js';
import { compileTraining } from '../../lib/program/compile.js';

/** Every family, on images as small as its poolings allow. */
const small: Readonly<Record<string, () => Network>> = {
  'alexnet-owt': () => models.alexnetOwt({ input: [63, 63, 3], classes: 7 }),
  'vgg11-bn': () => models.vgg11({ input: [32, 32, 3], classes: 7, batchNorm: true }),
  'googlenet-bn': () => models.googlenetBn({ input: [48, 40, 3], classes: 7 }),
  'googlenet-bn 5x5': () => models.googlenetBn({ input: [48, 40, 3], classes: 7, wideFilter: 5 }),
  resnet18: () => models.resnet18({ input: [40, 33, 3], classes: 7 }),
  'resnet18 v2': () => models.resnet18({ input: [33, 33, 3], classes: 7, version: 'v2' }),
  resnet50: () => models.resnet50({ input: [33, 33, 3], classes: 7 }),
  'resnet50 v2': () => models.resnet50({ input: [33, 33, 3], classes: 7, version: 'v2' }),
  resnet20: () => models.resnet20({ classes: 7 }),
  nin: () => models.nin({ input: [67, 67, 3], classes: 7 }),
  'nin-cifar': () => models.ninCifar({ classes: 7 }),
  'all-cnn': () => models.allCnn({ classes: 7 }),
  'squeezenet1.0': () => models.squeezenet10({ input: [49, 49, 3], classes: 7 }),
  'squeezenet1.1': () => models.squeezenet11({ input: [49, 49, 3], classes: 7 }),
  mobilenet: () => models.mobilenet({ input: [33, 33, 3], classes: 7, width: 0.5 }),
};

/**
 * A factor of a channel that only a depthwise convolution with normalisation reads is divided out again:
 * its gradient is zero.
 */
const scaleFree = /^bn1\.gamma$|^separable\d+\/bn2\.gamma$/;

const batch = 3;

function imagesOf(net: Network): Float32Array {
  const [height, width, channels] = net.nodes[0]!.shape as [number, number, number];
  // A different plain wave for each image: something that can be told apart.
  return Float32Array.from({ length: batch * height * width * channels }, (_, i) =>
    Math.sin(i * (0.1 + 0.03 * Math.floor(i / (height * width * channels)))),
  );
}

describe('models: training', () => {
  for (const [name, make] of Object.entries(small))
    it(`${name} takes steps on the CPU, and changes every parameter`, async () => {
      const net = make();
      const loss = softmaxCrossEntropy();
      await using run = await net.trainer({
        device: 'cpu',
        batch,
        loss,
        optimizer: sgd({ learningRate: 1e-3, momentum: 0.9 }),
      });
      const before = await run.weights();
      const x = imagesOf(net);
      const target = Int32Array.from([0, 3, 6]);
      for (let step = 1; step <= 2; step += 1) {
        const result = await run.step({ x, target });
        expect(result.step).to.equal(step);
        expect(result.loss).to.be.greaterThan(0).and.lessThan(30);
      }
      const after = await run.weights();
      for (const { name: parameter, trainable } of run.parameters) {
        if (!trainable || (name === 'mobilenet' && scaleFree.test(parameter))) continue;
        const [a, b] = [before.get(parameter)!.data, after.get(parameter)!.data];
        expect(
          a.some((value, i) => value !== b[i]),
          `${parameter} learns`,
        ).to.equal(true);
      }
      expect((await run.predict(x)).shape).to.deep.equal([batch, 7]);
    });

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
