import { architecture, data, models, type Dataset, type Network } from '../lib/index.js';
import { fromArrays } from '../lib/data/arrays.js';

export interface BenchNetwork {
  readonly make: () => Network;
  /** Images a step of training. */
  readonly batch: number;
  /** Steps a turn: some seconds on two cores with AVX2. */
  readonly steps: number;
}

/** VGG's layers at CIFAR's size. */
const cifarVgg = (): Network =>
  architecture(
    'INPUT 32x32x3 -> [CONV 3x3 64 -> RELU]*2 -> POOL -> [CONV 3x3 128 -> RELU]*2 -> POOL -> ' +
      '[CONV 3x3 256 -> RELU]*2 -> POOL -> FC 256 -> RELU -> FC 10',
  );

/** What is measured, with the batch that a machine of 16 GB holds. */
export const networks = {
  lenet: { make: () => models.lenet(), batch: 64, steps: 150 },
  'cifar-vgg': { make: cifarVgg, batch: 64, steps: 8 },
  'alexnet-owt': { make: () => models.alexnetOwt(), batch: 32, steps: 4 },
  vgg16: { make: () => models.vgg16(), batch: 4, steps: 2 },
  'googlenet-bn': { make: () => models.googlenetBn(), batch: 16, steps: 3 },
  resnet18: { make: () => models.resnet18(), batch: 16, steps: 3 },
  resnet50: { make: () => models.resnet50(), batch: 8, steps: 3 },
} as const satisfies Record<string, BenchNetwork>;

export type NetworkName = keyof typeof networks;
export const networkNames = Object.keys(networks) as NetworkName[];

const elementsOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
export const inputShape = (network: Network): readonly number[] =>
  network.nodes[network.inputs[0]!]!.shape;
export const outputElements = (network: Network): number =>
  elementsOf(network.nodes[network.outputs[0]!]!.shape);

/** Images of bytes in memory, as many as asked for: of noise, but for MNIST's. */
export async function imagesFor(network: Network, length: number): Promise<Dataset> {
  const shape = inputShape(network);
  const classes = outputElements(network);
  const digits = shape.join() === '28,28,1';
  const set = digits ? (await data.mnist()).train : data.synthetic({ length, shape, classes });
  const elements = elementsOf(shape);
  const x = new Uint8Array(length * elements);
  const target = new Int32Array(length);
  await set.read(
    Uint32Array.from({ length }, (_, i) => i),
    { x, target },
  );
  return fromArrays({ x, target, shape });
}
