// Compiled by install.test.ts against the packed declarations; it is never run.
import {
  data,
  device,
  dense,
  load,
  models,
  relu,
  sequential,
  sgd,
  softmaxCrossEntropy,
  StriateError,
} from 'striate';
import type {
  Dataset,
  Device,
  Epoch,
  ErrorCode,
  History,
  Metrics,
  Model,
  Network,
  Trainer,
} from 'striate';

export async function run(): Promise<number> {
  const net: Network = sequential([4], [dense({ units: 3 }), relu()]);
  await using trainer: Trainer = await net.trainer({
    loss: softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 0.1 }),
  });
  const set: Dataset = (await data.mnist()).train;
  for await (const epoch of trainer.fit(set, { epochs: 1 }))
    console.log((epoch satisfies Epoch).train.loss);
  const history: History = await trainer.fit(set);
  const d: Device = await device('cpu', { threads: 1 });
  await using model: Model = await load('x', { device: d });
  const [first] = await model.classify(new Uint8Array(4), { top: 1 });
  const code: ErrorCode = new StriateError('BUSY', 'busy').code;
  const metrics: Metrics | undefined = history.best?.validation;
  console.log(code, metrics?.accuracy, models.lenet().parameters().length);
  return first?.[0]?.probability ?? 0;
}
// @ts-expect-error a layer's option is checked
dense({ unit: 3 });
