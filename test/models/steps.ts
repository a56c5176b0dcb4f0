import { expect } from 'chai';
import { sgd, softmaxCrossEntropy, type Network } from '../../lib/index.js';
import { waves } from './small.js';

/**
 * A factor of a channel that only a depthwise convolution with normalisation reads is divided out again:
 * its gradient is zero.
 */
const scaleFree = /^bn1\.gamma$|^separable\d+\/bn2\.gamma$/;

const batch = 3;

/** Asserts that a network with 7 classes takes two steps on the CPU and learns in every parameter. */
export async function expectSteps(net: Network, name: string): Promise<void> {
  await using run = await net.trainer({
    device: 'cpu',
    batch,
    loss: softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 1e-3, momentum: 0.9 }),
  });
  const before = await run.weights();
  const x = waves(net, batch);
  const target = Int32Array.from([0, 3, 6]);
  for (let step = 1; step <= 2; step += 1) {
    const result = await run.step({ x, target });
    expect(result.step).to.equal(step);
    expect(result.loss).to.be.greaterThan(0).and.lessThan(30);
  }
  const after = await run.weights();
  for (const { name: parameter, trainable } of run.parameters) {
    if (!trainable || (name.startsWith('mobilenet') && scaleFree.test(parameter))) continue;
    const [a, b] = [before.get(parameter)!.data, after.get(parameter)!.data];
    expect(
      a.some((value, i) => value !== b[i]),
      `${parameter} learns`,
    ).to.equal(true);
  }
  expect((await run.predict(x)).shape).to.deep.equal([batch, 7]);
}
