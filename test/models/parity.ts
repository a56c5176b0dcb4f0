/** The networks whose first step is compared with PyTorch: reduced images, no dropout. */
import { models, Network } from '../../lib/index.js';
import { generate, seedOf, uniform, type Recipe } from '../ops/cases.js';

export const parityBatch = 2;
export const parityLabels = [1, 5];

const classes = 7;

const whole: Readonly<Record<string, () => Network>> = {
  // Planes that the two last poolings leave are not square.
  alexnet: () => models.alexnet({ input: [67, 99, 3], classes }),
  'alexnet-owt': () => models.alexnetOwt({ input: [63, 63, 3], classes }),
  vgg11: () => models.vgg11({ input: [32, 32, 3], classes }),
  // Average windows of both auxiliary classifiers that reach over the border, and maximum ones.
  'googlenet-aux': () => models.googlenet({ input: [80, 96, 3], classes, auxiliary: true }),
  'googlenet-bn': () => models.googlenetBn({ input: [64, 49, 3], classes }),
  resnet18: () => models.resnet18({ input: [48, 41, 3], classes }),
  resnet50: () => models.resnet50({ input: [64, 49, 3], classes }),
  'resnet50-v1': () => models.resnet50({ input: [64, 49, 3], classes, version: 'v1' }),
  'resnet18-v2': () => models.resnet18({ input: [48, 41, 3], classes, version: 'v2' }),
  resnet20: () => models.resnet20({ classes }),
  'squeezenet1.0': () => models.squeezenet10({ input: [65, 50, 3], classes }),
  'squeezenet1.1': () => models.squeezenet11({ input: [65, 50, 3], classes }),
  mobilenet: () => models.mobilenet({ input: [64, 49, 3], classes }),
  'nin-cifar': () => models.ninCifar({ input: [18, 23, 3], classes }),
};

/** Dropout draws numbers that PyTorch does not: its rates become zero. */
function withoutDropout(net: Network): Network {
  const json = net.toJSON();
  const nodes = json.nodes.map((node) =>
    node.kind === 'dropout' ? { ...node, options: { ...node.options, rate: 0 } } : node,
  );
  return Network.fromJSON({ ...json, nodes });
}

export const parityModels: Readonly<Record<string, () => Network>> = Object.fromEntries(
  Object.entries(whole).map(([name, make]) => [name, () => withoutDropout(make())]),
);

/** Those that take seconds: compared in the full run. */
export const largeModels = new Set(['alexnet', 'alexnet-owt', 'vgg11', 'resnet50', 'resnet50-v1']);

/** A tensor that both sides make alike. */
export interface Made {
  readonly name: string;
  readonly shape: readonly number[];
  readonly recipe: Recipe & { kind: 'uniform' };
  readonly seed: number;
}

const made = (
  model: string,
  name: string,
  shape: readonly number[],
  low: number,
  high: number,
): Made => ({
  name,
  shape,
  recipe: uniform(low, high) as Made['recipe'],
  seed: seedOf(`${model}/${name}`),
});

/**
 * Every parameter and running statistic: weights by fan-in, so that activations keep their size, and offsets
 * that keep most of them off the kink of ReLU: rounding may cross it, and one crossing changes float32
 * gradients of a deep network by a per cent, in PyTorch as here.
 */
export function parityParameters(model: string, network: Network): Made[] {
  return network.parameters().map(({ name, spec }) => {
    const reach = Math.sqrt(6 / spec.fanIn);
    const range: Record<string, [number, number]> = {
      w: [-reach, reach],
      gamma: [0.5, 1.5],
      beta: [1, 2],
      mean: [0, 0],
      variance: [1, 1],
    };
    const [low, high] = range[spec.name] ?? [-0.1, 0.1];
    return made(model, name, spec.shape, low, high);
  });
}

/**
 * Where one activation of the network lies within a rounding of zero for the usual images: the last bit of a
 * pixel decides it, and with it half a per cent of the gradients below.
 */
const otherImages: Readonly<Record<string, string>> = { 'googlenet-aux': 'other images' };

export function parityImages(model: string, network: Network): Made {
  const name = otherImages[model] ?? 'images';
  return made(model, name, [parityBatch, ...network.nodes[0]!.shape], -1, 1);
}

export function contentsOf(model: string, { name, shape, recipe }: Made): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from(generate(recipe, count, `${model}/${name}`));
}
