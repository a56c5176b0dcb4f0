// Models of torchvision with weights that both sides make (test/fixtures/pytorch_weights.py).
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readSafetensors } from '../../lib/formats/safetensors.js';
import { fromPytorch, load, models, type HostTensor, type Network } from '../../lib/index.js';
import { farthest } from '../conversions/support.js';
import { generate, uniform } from '../ops/cases.js';

const file = fileURLToPath(new URL('../fixtures/pytorch_weights.safetensors', import.meta.url));

const ten = { classes: 10 } as const;

export const evaluated: Readonly<Record<string, () => Network>> = {
  'alexnet-owt': () => models.alexnetOwt(ten),
  'vgg11-bn': () => models.vgg11({ ...ten, batchNorm: true }),
  'googlenet-bn': () => models.googlenetBn({ ...ten, input: [64, 64, 3] }),
  resnet18: () => models.resnet18({ ...ten, input: [64, 64, 3] }),
  'squeezenet1.1': () => models.squeezenet11({ ...ten, input: [65, 65, 3] }),
};

export interface Fixture {
  /** Shapes by PyTorch's names, by model. */
  readonly names: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  readonly scores: ReadonlyMap<string, ArrayLike<number>>;
}

export async function readFixture(): Promise<Fixture> {
  const { metadata, tensors } = await readSafetensors(file);
  return {
    names: JSON.parse(metadata.get('names')!) as Fixture['names'],
    scores: new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array])),
  };
}

/** A tensor's contents: `made` of the script. */
export function made(key: string, shape: readonly number[]): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const reach = Math.sqrt(6 / (count / shape[0]!));
  const positive = /(running_var|weight)$/.test(key);
  const [low, high] = shape.length > 1 ? [-reach, reach] : positive ? [0.5, 1.5] : [-0.1, 0.1];
  const data = Float32Array.from(generate(uniform(low, high), count, key));
  return { dtype: 'float32', shape, data };
}

const states = new Map<string, ReadonlyMap<string, HostTensor>>();

/** The state dictionary of a model with ten classes. */
export function stateOf({ names }: Fixture, model: string): Map<string, HostTensor> {
  const known = states.get(model);
  if (known !== undefined) return new Map(known);
  const entries = Object.entries(names[model]!).map(([key, shape]) => {
    const own = shape[0] === 1000 ? [10, ...shape.slice(1)] : shape;
    return [key, made(key, own)] as const;
  });
  states.set(model, new Map(entries));
  return new Map(entries);
}

/** Asserts PyTorch's scores for the image of the script. */
export async function expectScores(fixture: Fixture, model: string): Promise<void> {
  const network = evaluated[model]!();
  const weights = fromPytorch(model, stateOf(fixture, model));
  const [height, width] = network.nodes[0]!.shape as [number, number, number];
  const planes = made('image', [3, height, width]).data as Float32Array;
  const image = new Float32Array(planes.length);
  for (let p = 0; p < height * width; p += 1)
    for (let c = 0; c < 3; c += 1) image[p * 3 + c] = planes[c * height * width + p]!;
  await using run = await load({ network, weights }, { device: 'cpu', batch: 1 });
  const { data } = await run.predict(image);
  const expected = fixture.scores.get(model)!;
  expect(farthest(data, expected)).to.be.below(1e-3 * Math.hypot(...Array.from(expected)));
}
