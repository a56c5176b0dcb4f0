import {
  cifar10,
  cifar100,
  fashionMnist,
  mnist,
  synthetic,
  type TrainAndTest,
} from '../data/index.js';
import type { Network } from '../graph/network.js';
import { endsOf } from '../training/setup.js';

/** What `--data` may name. */
export const dataNames = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'synthetic'] as const;

export type DataName = (typeof dataNames)[number];

/** Opens a set; synthetic images are made to fit the network. */
export async function openData(
  name: DataName,
  dataDir: string | undefined,
  network: Network,
): Promise<TrainAndTest> {
  const options = dataDir === undefined ? {} : { dataDir };
  // Without a folder the sets say how to get their files.
  const folder = options as { dataDir: string };
  switch (name) {
    case 'mnist':
      return mnist(options);
    case 'fashion-mnist':
      return fashionMnist(options);
    case 'cifar10':
      return cifar10(folder);
    case 'cifar100':
      return cifar100(folder);
    case 'synthetic':
      return syntheticFor(network);
  }
}

function syntheticFor(network: Network): TrainAndTest {
  const { input, output } = endsOf(network);
  const common = { shape: input, classes: output.at(-1) ?? 1 };
  return {
    train: synthetic({ ...common, length: 1280 }),
    test: synthetic({ ...common, length: 256, seed: 1 }),
  };
}
