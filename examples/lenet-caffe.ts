/**
 * Caffe's LeNet by Caffe's recipe: 10,000 iterations at batch 64 with three seeds, and the mean of
 * their test accuracies. Caffe's own runs give 99.1 %.
 * Source: https://github.com/BVLC/caffe/blob/master/examples/mnist/lenet_solver.prototxt
 * Run: npx tsx examples/lenet-caffe.ts [iterations] [seeds]
 */
import { data, inv, models, sgd, softmaxCrossEntropy } from 'striate';

const iterations = Number(process.argv[2] ?? 10_000);
const seeds = Number(process.argv[3] ?? 3);

const { train, test } = await data.mnist();
const batch = 64;
const accuracies: number[] = [];
for (let seed = 0; seed < seeds; seed++) {
  await using run = await models.lenet().trainer({
    batch,
    seed,
    preprocess: { scale: 1 / 256 },
    loss: softmaxCrossEntropy(),
    optimizer: sgd({
      learningRate: inv({ from: 0.01, gamma: 1e-4, power: 0.75 }),
      momentum: 0.9,
      weightDecay: 5e-4,
      groups: [{ match: /\.b$/, learningRateScale: 2 }],
    }),
  });
  const epochs = Math.ceil((iterations * batch) / train.length);
  const { epochs: seen } = await run.fit(train, { epochs, maxSteps: iterations });
  const { accuracy } = await run.evaluate(test);
  accuracies.push(accuracy);
  const speed = seen.map((epoch) => epoch.imagesPerSecond).sort((a, b) => a - b)[seen.length >> 1];
  console.log(
    `seed ${seed}: ${run.steps} iterations, ${(100 * accuracy).toFixed(2)} %, ` +
      `${Math.round(speed ?? 0)} images/s (median epoch)`,
  );
}
const mean = accuracies.reduce((a, b) => a + b, 0) / accuracies.length;
console.log(`mean of ${seeds} seeds: ${(100 * mean).toFixed(2)} %`);
