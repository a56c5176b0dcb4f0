/**
 * An own loss and an own loop: a network that learns to undo noise, by mean squared error; then the
 * same with the loss computed outside.
 * Run: npx tsx examples/own-loop.ts
 */
import {
  batches,
  dense,
  fromArrays,
  mean,
  relu,
  sequential,
  sgd,
  square,
  sub,
  type Value,
} from 'striate';

const samples = 2048;
const width = 16;
const clean = Float32Array.from({ length: samples * width }, (_, i) =>
  Math.sin((i % width) * (1 + Math.floor(i / width) / samples)),
);
const noisy = clean.map((v) => v + 0.3 * (Math.random() - 0.5));
const set = fromArrays({ x: noisy, shape: [width], target: clean, targetShape: [width] });

const network = sequential([width], [dense({ units: 64 }), relu(), dense({ units: width })]);
const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });

await using own = await network.trainer({
  batch: 64,
  optimizer,
  loss: (y: Value, target: Value) => mean(square(sub(y, target))),
  target: { shape: [width], dtype: 'float32' },
});
for await (const batch of batches(set, { batch: 64, epochs: 3 })) {
  const { step, loss } = await own.step(batch);
  if (step % 32 === 0) console.log(`step ${step}: loss ${loss.toFixed(5)}`);
}

await using outside = await network.trainer({ batch: 64, optimizer, loss: 'external' });
for await (const batch of batches(set, { batch: 64, epochs: 3 })) {
  const y = await outside.forward(batch.x);
  const count = y.data.length;
  const dy = Float32Array.from(y.data, (v, i) => (2 * (v - batch.target[i]!)) / count);
  await outside.backward(dy);
  const { step } = await outside.update();
  if (step % 32 === 0) console.log(`external step ${step}`);
}
