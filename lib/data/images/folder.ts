import { readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname, join } from 'node:path';
import { CancelledError, StriateError } from '../../errors.js';
import { checkNames, describe, invalid } from '../../graph/options.js';
import { Stream } from '../../initializers/philox.js';
import type { Dataset, DataPass } from '../dataset.js';
import { decodeInto, type Channels } from './decode.js';
import { centerCrop, readSize, resize, type ImageTransform, type Size } from './transforms.js';

export interface ImageFolderOptions {
  /** Pixels that the network takes: `n` or `[height, width]`. */
  size: Size;
  /** 3 (default) or 1. */
  channels?: Channels;
  /**
   * From the decoded image to the network's. Default: the shorter side to `size / 0.875`, then the middle,
   * as ImageNet is evaluated. What has another size in the end is resampled.
   */
  transforms?: readonly ImageTransform[];
  /** Names of the classes in their order; default the folders, sorted. Another folder is refused. */
  classes?: readonly string[];
  /**
   * A file that does not decode: `'throw'` (default), or `'skip'`: black, with the label -1, which losses
   * ignore; it is named in `broken`.
   */
  onError?: 'throw' | 'skip';
}

/** A data set of image files. */
export interface ImageFolder extends Dataset {
  readonly classes: readonly string[];
  /** Files that did not decode so far, by path, with the reason. */
  readonly broken: ReadonlyMap<string, string>;
  /** The file of a sample. */
  pathOf(index: number): string;
}

const endings = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif']);

/**
 * A folder with one folder for each class, as torchvision's ImageFolder: `<folder>/<class>/**` holds JPEG,
 * PNG, WebP, GIF, TIFF or AVIF files; names that begin with a dot are left out. Only names are kept in
 * memory; files are decoded when they are read, several at a time.
 *
 * @throws StriateError `INVALID_DATA` for a folder that cannot be read, has no class or no image, or has a
 *   class that is not among `classes`; on reading, for a file that does not decode (`onError`).
 */
export async function imageFolder(
  folder: string,
  options: ImageFolderOptions,
): Promise<ImageFolder> {
  const names = ['size', 'channels', 'transforms', 'classes', 'onError'];
  checkNames('data.imageFolder', names, options);
  const [height, width] = readSize('data.imageFolder', options.size);
  const { channels = 3, onError = 'throw' } = options;
  if (channels !== 1 && channels !== 3)
    throw invalid(`data.imageFolder: channels is ${describe(channels)}`, 'Give 3 or 1.');
  if (onError !== 'throw' && onError !== 'skip')
    throw invalid(`data.imageFolder: onError is ${describe(onError)}`, "Give 'throw' or 'skip'.");
  const transforms = options.transforms ?? [
    resize(Math.round(Math.min(height, width) / 0.875)),
    centerCrop([height, width]),
  ];
  const { classes, files } = await findFiles(folder, options.classes);
  const broken = new Map<string, string>();
  const imageBytes = height * width * channels;
  const fileAt = (index: number): ImageFile => {
    const file = files[index];
    if (file !== undefined) return file;
    throw invalid(`there is no sample ${index} of ${files.length}`, 'Read indices below length.');
  };
  return {
    length: files.length,
    shape: [height, width, channels],
    dtype: 'uint8',
    classes,
    broken,
    pathOf: (index) => fileAt(index).path,
    async read(indices, { x, target }, signal, pass: DataPass = { seed: 0, epoch: 0 }) {
      const decode = async (i: number): Promise<void> => {
        const index = indices[i]!;
        const { path, label } = fileAt(index);
        const draw = new Stream(pass.seed, `image/${pass.epoch}/${index}`);
        try {
          await decodeInto(
            path,
            channels,
            (whole) => ({
              ...transforms.reduce((view, transform) => transform.apply(view, draw), whole),
              ...{ width, height },
            }),
            x as Uint8Array,
            i * imageBytes,
          );
          target[i] = label;
        } catch (error) {
          if (onError === 'throw' || !(error instanceof StriateError)) throw error;
          broken.set(path, error.message);
          x.fill(0, i * imageBytes, (i + 1) * imageBytes);
          target[i] = -1;
        }
      };
      await forEach(indices.length, decode, signal);
    },
  };
}

interface ImageFile {
  path: string;
  label: number;
}

async function findFiles(
  folder: string,
  wanted: readonly string[] | undefined,
): Promise<{ classes: readonly string[]; files: ImageFile[] }> {
  const entries = await list(folder);
  const found = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const names = found.filter((name) => !name.startsWith('.')).sort();
  if (names.length === 0)
    throw new StriateError('INVALID_DATA', `${folder} holds no folder of a class`, {
      remedy: 'Put the images of each class into a folder with its name.',
      details: { folder },
    });
  const classes = wanted ?? names;
  const files: ImageFile[] = [];
  for (const name of names) {
    const label = classes.indexOf(name);
    if (label < 0)
      throw new StriateError('INVALID_DATA', `${folder} has the class ${name}, which is unknown`, {
        remedy: `The classes are ${classes.slice(0, 20).join(', ')}.`,
        details: { folder, class: name },
      });
    for (const path of await imagesBelow(join(folder, name))) files.push({ path, label });
  }
  if (files.length === 0)
    throw new StriateError('INVALID_DATA', `${folder} holds no image`, {
      remedy: `Images end in ${[...endings].join(', ')}.`,
      details: { folder },
    });
  return { classes: [...classes], files };
}

/** In an order that does not depend on the file system. */
async function imagesBelow(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of (await list(folder)).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) paths.push(...(await imagesBelow(path)));
    else if (endings.has(extname(entry.name).toLowerCase())) paths.push(path);
  }
  return paths;
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new StriateError('INVALID_DATA', `${folder} cannot be read`, {
      remedy: 'Name a folder that is there and may be read.',
      details: { folder },
      cause,
    });
  }
}

/** Calls `work(0)` to `work(count - 1)`, as many at a time as keep the decoder's threads busy. */
async function forEach(
  count: number,
  work: (i: number) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      if (signal?.aborted)
        throw new CancelledError('reading was aborted', { cause: signal.reason });
      try {
        await work(next++);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.min(count, 2 * availableParallelism()) }, worker);
  // All of them, so that nothing writes into the arrays after the call has ended.
  const ends = await Promise.allSettled(workers);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
