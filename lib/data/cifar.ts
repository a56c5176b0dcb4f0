import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StriateError } from '../errors.js';
import { checkNames, describe, invalid } from '../graph/options.js';
import type { Dataset } from './dataset.js';
import type { TrainAndTest } from './mnist.js';
import { readRecords, recordFiles } from './records.js';

export interface CifarOptions {
  /** The folder of the binary version's files, or the one that holds it as the archive unpacks. */
  dataDir: string;
}

export interface Cifar100Options extends CifarOptions {
  /** The 100 classes (`'fine'`, the default) or the 20 superclasses. */
  labels?: 'fine' | 'coarse';
}

const side = 32;
const pixels = side * side;

const cifar10Classes = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
];

/** What a record holds before its three planes of 1,024 bytes (red, green, blue). */
interface Layout {
  what: string;
  /** As the archive names it. */
  folder: string;
  train: readonly string[];
  test: readonly string[];
  labels: number;
  /** Which of the labels counts. */
  label: number;
  /** The file of the names, one a line. */
  names: string;
  classes: number;
}

/**
 * CIFAR-10: `[32, 32, 3]` bytes, ten classes, from the five training files and the test file of the
 * binary version; records are read when they are wanted. Source: Krizhevsky, Learning multiple layers of
 * features from tiny images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
 * @throws StriateError `INVALID_DATA` when a file is missing (saying how to get it) or damaged; on
 *   reading, for a label out of range.
 */
export async function cifar10(options: CifarOptions): Promise<TrainAndTest> {
  checkNames('data.cifar10', ['dataDir'], options);
  return readFolder(options.dataDir, {
    what: 'CIFAR-10',
    folder: 'cifar-10-batches-bin',
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    test: ['test_batch.bin'],
    labels: 1,
    label: 0,
    names: 'batches.meta.txt',
    classes: 10,
  });
}

/**
 * CIFAR-100: `[32, 32, 3]` bytes, 100 classes in 20 superclasses. See `cifar10`.
 * @throws StriateError as `cifar10`; `INVALID_ARGUMENT` for other `labels`.
 */
export async function cifar100(options: Cifar100Options): Promise<TrainAndTest> {
  checkNames('data.cifar100', ['dataDir', 'labels'], options);
  const { labels = 'fine' } = options;
  if (labels !== 'fine' && labels !== 'coarse')
    throw invalid(`data.cifar100: labels is ${describe(labels)}`, "Give 'fine' or 'coarse'.");
  return readFolder(options.dataDir, {
    what: 'CIFAR-100',
    folder: 'cifar-100-binary',
    train: ['train.bin'],
    test: ['test.bin'],
    labels: 2,
    label: labels === 'coarse' ? 0 : 1,
    names: `${labels}_label_names.txt`,
    classes: labels === 'coarse' ? 20 : 100,
  });
}

async function readFolder(dataDir: unknown, layout: Layout): Promise<TrainAndTest> {
  const remedy = `Unpack the binary version from https://www.cs.toronto.edu/~kriz/cifar.html and name its folder: dataDir, or --data-dir.`;
  if (typeof dataDir !== 'string')
    throw new StriateError('INVALID_DATA', `${layout.what} needs the folder of its files`, {
      remedy,
    });
  const inner = join(dataDir, layout.folder);
  const folder = (await exists(inner)) ? inner : dataDir;
  for (const name of [...layout.train, ...layout.test])
    if (!(await exists(join(folder, name))))
      throw new StriateError('INVALID_DATA', `${join(folder, name)} is missing`, {
        remedy,
        details: { folder, file: name },
      });
  const classes = await namesOf(folder, layout);
  const part = (names: readonly string[]): Promise<Dataset> =>
    openRecords(
      names.map((name) => join(folder, name)),
      layout,
      classes,
    );
  return { train: await part(layout.train), test: await part(layout.test) };
}

async function openRecords(
  paths: readonly string[],
  { labels, label, classes: count }: Layout,
  classes: readonly string[] | undefined,
): Promise<Dataset> {
  const files = await recordFiles(paths, labels + 3 * pixels);
  return {
    length: files.length,
    shape: [side, side, 3],
    dtype: 'uint8',
    ...(classes === undefined ? {} : { classes }),
    read: (indices, { x, target }, signal) =>
      readRecords(files, indices, signal, (record, i) => {
        const found = record[label]!;
        if (found >= count)
          throw new StriateError(
            'INVALID_DATA',
            `sample ${indices[i]!} has the label ${found}, there are ${count} classes`,
            { remedy: 'The file is damaged; get it again.', details: { sample: indices[i]! } },
          );
        target[i] = found;
        interleave(record.subarray(labels), x, 3 * pixels * i);
      }),
  };
}

/** Three planes to pixels. */
function interleave(planes: Uint8Array, x: { [i: number]: number }, at: number): void {
  for (let p = 0; p < pixels; ++p)
    for (let c = 0; c < 3; ++c) x[at + 3 * p + c] = planes[c * pixels + p]!;
}

/** From the archive's own list; CIFAR-10's are known without it. */
async function namesOf(folder: string, layout: Layout): Promise<readonly string[] | undefined> {
  const known = layout.classes === cifar10Classes.length ? cifar10Classes : undefined;
  const path = join(folder, layout.names);
  if (!(await exists(path))) return known;
  const names = (await readFile(path, 'utf8')).split(/\r?\n/).filter((name) => name.trim() !== '');
  return names.length === layout.classes ? names.map((name) => name.trim()) : known;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
