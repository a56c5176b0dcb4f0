/**
 * Branches: residual blocks from layers that are called with values. One layer object applied twice
 * shares its weights.
 * Run: npx tsx examples/branches.ts
 */
import {
  add,
  batchNorm,
  conv2d,
  data,
  dense,
  globalAvgPool2d,
  input,
  network,
  relu,
  sgd,
  softmaxCrossEntropy,
  take,
  type Value,
} from 'striate';

function block(x: Value, filters: number, stride = 1): Value {
  const cut = stride === 1 ? x : batchNorm()(conv2d({ filters, size: 1, stride, bias: false })(x));
  const a = relu()(batchNorm()(conv2d({ filters, size: 3, stride, padding: 1, bias: false })(x)));
  const b = batchNorm()(conv2d({ filters, size: 3, padding: 1, bias: false })(a));
  return relu()(add(b, cut));
}

const x = input([28, 28, 1]);
const stem = relu()(batchNorm()(conv2d({ filters: 8, size: 3, padding: 1, bias: false })(x)));
const top = globalAvgPool2d()(block(block(stem, 8), 16, 2));
const residual = network(x, dense({ units: 10 })(top), { fit: 'crop' });
console.log(String(residual.summary()));

const { train, test } = await data.mnist();
await using run = await residual.trainer({
  batch: 64,
  loss: softmaxCrossEntropy(),
  optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
});
for await (const epoch of run.fit(take(train, 6400), { epochs: 2, validation: test }))
  console.log(epoch.epoch, epoch.train.loss, epoch.validation?.accuracy);
