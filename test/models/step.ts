// One training step of a network of the zoo, from equal parameters, against what PyTorch computed in float64
// (test/fixtures/pytorch_models.py); PyTorch itself is not needed.
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSafetensors } from '../../lib/formats/safetensors.js';
import { sgd, softmaxCrossEntropy, Weights, type Network } from '../../lib/index.js';
import {
  contentsOf,
  parityBatch,
  parityImages,
  parityLabels,
  parityModels,
  parityParameters,
} from './parity.js';

const file = fileURLToPath(new URL('../fixtures/pytorch_models.safetensors', import.meta.url));

export type Precision = 'float64' | 'float32';

/**
 * `norm`: largest error of a tensor's norm, and of its stored elements by their norm, relative to it.
 * `floor`: what an element may be off where the true gradient is zero, as before a normalisation.
 */
const bounds: Record<Precision, { norm: number; floor: number }> = {
  float64: { norm: 1e-8, floor: 1e-13 },
  float32: { norm: 2e-3, floor: 2e-6 },
};

/** Digests by `<model>/<name>`. */
export async function readExpected(): Promise<ReadonlyMap<string, ArrayLike<number>>> {
  const { tensors } = await readSafetensors(file);
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float64Array]));
}

/** Asserts that a step gives PyTorch's losses, gradients and running statistics. */
export async function expectStep(
  model: string,
  precision: Precision,
  expected: ReadonlyMap<string, ArrayLike<number>>,
): Promise<void> {
  const wrong: string[] = [];
  for (const [name, values] of await step(model, parityModels[model]!(), precision)) {
    const digest = expected.get(`${model}/${name}`)!;
    if (name === 'loss') {
      expect(values, 'losses').to.have.lengthOf(digest.length);
      Array.from(digest).forEach((loss, i) => {
        expect(values[i], `loss ${i}`).to.be.closeTo(loss, bounds[precision].norm * loss);
      });
      continue;
    }
    const found = difference(values, digest, precision);
    if (found !== undefined) wrong.push(`${name}: ${found}`);
  }
  expect(wrong).to.deep.equal([]);
}

/** The loss of each output, and by name: gradients of the parameters, running statistics after the step. */
async function step(
  model: string,
  network: Network,
  precision: Precision,
): Promise<Map<string, ArrayLike<number>>> {
  const start = new Weights();
  for (const made of parityParameters(model, network))
    start.set(made.name, {
      dtype: 'float32',
      shape: [...made.shape],
      data: contentsOf(model, made),
    });
  await using run = await network.trainer({
    device: 'cpu',
    precision,
    batch: parityBatch,
    loss: softmaxCrossEntropy(),
    // A rate of 1 without momentum: what a parameter loses is its gradient.
    optimizer: sgd({ learningRate: 1 }),
    weights: start,
  });
  const x = contentsOf(model, parityImages(model, network));
  const { loss, auxiliary = [] } = await run.step({
    x: precision === 'float64' ? Float64Array.from(x) : x,
    target: Int32Array.from(parityLabels),
  });
  const after = await run.weights();
  const numbers = (weights: Weights, name: string): ArrayLike<number> =>
    weights.get(name)!.data as Float64Array;
  const results = new Map<string, ArrayLike<number>>([['loss', [loss, ...auxiliary]]]);
  for (const { name, trainable } of run.parameters) {
    const [before, now] = [numbers(start, name), numbers(after, name)];
    results.set(name, trainable ? Float64Array.from(now, (v, i) => before[i]! - v) : now);
  }
  return results;
}

/** What differs from a digest: [norm, elements spread evenly]. */
function difference(
  actual: ArrayLike<number>,
  digest: ArrayLike<number>,
  precision: Precision,
): string | undefined {
  const { norm: relative, floor } = bounds[precision];
  const [norm, ...samples] = Array.from(digest) as [number, ...number[]];
  const length = actual.length;
  let squares = 0;
  for (let i = 0; i < length; i += 1) squares += actual[i]! ** 2;
  const found = Math.sqrt(squares);
  if (!(Math.abs(found - norm) <= relative * norm + floor * Math.sqrt(length)))
    return `norm is ${found} instead of ${norm}`;
  const at = (i: number): number =>
    actual[length <= samples.length ? i : Math.floor((i * length) / samples.length)]!;
  const error = Math.hypot(...samples.map((value, i) => at(i) - value));
  const size = Math.max(Math.hypot(...samples), norm * Math.sqrt(samples.length / length));
  if (!(error <= relative * size + floor * Math.sqrt(samples.length)))
    return `elements are off by ${error} of ${size}`;
  return undefined;
}
