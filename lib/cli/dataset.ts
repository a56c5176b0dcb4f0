import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  cifar10,
  cifar100,
  fashionMnist,
  mnist,
  randomHorizontalFlip,
  randomResizedCrop,
  synthetic,
  type ImageFolderOptions,
  type TrainAndTest,
} from '../data/index.js';
import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { endsOf } from '../training/ends.js';
import { openPart } from './images.js';

/** What `--data` may name besides a folder. */
export const dataNames = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'synthetic'] as const;

/** Folders of the images that a run is tested on, the first that there is. */
const testFolders = ['val', 'validation', 'test'];

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Opens a set; images from a folder, and synthetic ones, are made to fit the network. */
export async function openData(
  name: string,
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
    default:
      return imagesIn(name, network);
  }
}

async function imagesIn(folder: string, network: Network): Promise<TrainAndTest> {
  const { input } = endsOf(network);
  const [height, width, channels] = input;
  if (input.length !== 3 || (channels !== 1 && channels !== 3))
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the network takes no images: [${input.join(', ')}]`,
      {
        remedy: 'Images are [height, width, 3], or 1 for grey.',
      },
    );
  const size = [height!, width!] as const;
  const options: ImageFolderOptions = { size, channels };
  const names = testFolders.find((part) => isFolder(join(folder, part)));
  if (names === undefined || !isFolder(join(folder, 'train')))
    throw new StriateError('INVALID_DATA', `${folder} has no folders train and val`, {
      remedy:
        'Put images into train/<class>/ and val/<class>/ (or validation, or test), or shards into train and val.',
      details: { folder },
    });
  const train = await openPart(join(folder, 'train'), {
    ...options,
    transforms: [randomResizedCrop(size), randomHorizontalFlip()],
  });
  const test = await openPart(join(folder, names), { ...options, classes: train.classes });
  return { train, test };
}

function syntheticFor(network: Network): TrainAndTest {
  const { input, output } = endsOf(network);
  const common = { shape: input, classes: output.at(-1) ?? 1 };
  return {
    train: synthetic({ ...common, length: 1280 }),
    test: synthetic({ ...common, length: 256, seed: 1 }),
  };
}
