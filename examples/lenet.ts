/**
 * LeNet on MNIST from scratch: describe, train, save, load, classify.
 * Run: npx tsx examples/lenet.ts
 */
import {
  conv2d,
  data,
  dense,
  flatten,
  inv,
  load,
  maxPool2d,
  relu,
  sequential,
  sgd,
  softmaxCrossEntropy,
} from 'striate';

const { train, test } = await data.mnist();

const lenet = sequential(
  [28, 28, 1],
  [
    conv2d({ filters: 20, size: 5 }),
    maxPool2d({ size: 2, stride: 2 }),
    conv2d({ filters: 50, size: 5 }),
    maxPool2d({ size: 2, stride: 2 }),
    flatten(),
    dense({ units: 500 }),
    relu(),
    dense({ units: 10 }),
  ],
);

await using run = await lenet.trainer({
  batch: 64,
  loss: softmaxCrossEntropy(),
  optimizer: sgd({
    learningRate: inv({ from: 0.01, gamma: 1e-4, power: 0.75 }),
    momentum: 0.9,
    weightDecay: 5e-4,
    groups: [{ match: /\.b$/, learningRateScale: 2, weightDecay: 0 }],
  }),
});
for await (const epoch of run.fit(train, { epochs: 2, validation: test, progress: true }))
  console.log(`epoch ${epoch.epoch}: ${epoch.validation?.accuracy}`);
await run.save('lenet.safetensors');

await using model = await load('lenet.safetensors', { batch: 16 });
for await (const { x, target } of data.batches(test, { batch: 5, shuffle: false })) {
  const answers = await model.classify(x, { top: 3 });
  answers.forEach((top, i) => console.log(`a ${target[i]}:`, top));
  break;
}
