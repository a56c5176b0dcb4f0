import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StriateError } from '../../errors.js';
import {
  fileSet,
  FileSource,
  folderSource,
  list,
  namedOptions,
  type ImageFolder,
} from './folder.js';
import { linesOf } from './list.js';
import { randomHorizontalFlip, randomResizedCrop } from './transforms.js';
import { readImageOptions, type ImageSetOptions } from './set.js';

export interface ImageNet {
  /** Random parts and flips, unless `transforms` says otherwise. */
  train: ImageFolder;
  /** The validation images, which are what results are stated on. */
  test: ImageFolder;
  /** WordNet identifiers of the classes, by index: `n01440764`, ... */
  synsets: readonly string[];
}

/** Where the archives and Kaggle's copy put the images. */
const roots = ['', 'ILSVRC/Data/CLS-LOC', 'Data/CLS-LOC'];
const nameFiles = ['LOC_synset_mapping.txt', 'synset_words.txt', 'words.txt'];
const labelFiles = ['LOC_val_solution.csv', 'val.txt'];
const synset = /^n\d{8}$/;

/**
 * ImageNet (Russakovsky et al., arXiv:1409.0575) as it is unpacked: `train/<synset>/`, and `val/` with a
 * folder for each synset or with all images side by side; then their classes are in `LOC_val_solution.csv`
 * or `val.txt` (Caffe's: a name and a number a line). Classes are the synsets in their order, as PyTorch and
 * Caffe number them, called as `LOC_synset_mapping.txt`, `synset_words.txt` or `words.txt` say where one of
 * them is there. Any number of synsets will do.
 *
 * @throws StriateError `INVALID_DATA` for folders or labels that are missing, and synsets that are unknown.
 */
export async function imageNet(folder: string, options: ImageSetOptions): Promise<ImageNet> {
  const where = 'data.imageNet';
  namedOptions(where, options);
  const { height, width } = readImageOptions(where, options);
  const root = await rootOf(folder);
  const synsets = await synsetsOf(join(root, 'train'));
  const classes = await namesOf([folder, root], synsets);
  const train = await folderSource(join(root, 'train'), synsets, classes);
  const flat = !(await list(join(root, 'val'))).some((entry) => synset.test(entry.name));
  const test = flat
    ? await flatSource([folder, root], join(root, 'val'), synsets, classes)
    : await folderSource(join(root, 'val'), synsets, classes);
  const transforms = [randomResizedCrop([height, width]), randomHorizontalFlip()];
  return {
    train: fileSet(where, train, { transforms, ...options }),
    test: fileSet(where, test, options),
    synsets,
  };
}

async function rootOf(folder: string): Promise<string> {
  for (const inner of roots)
    if (await isThere(join(folder, inner, 'train'))) return join(folder, inner);
  throw new StriateError('INVALID_DATA', `${folder} has no folder train`, {
    remedy: 'Name the folder that holds train/<synset>/ and val/.',
    details: { folder },
  });
}

async function synsetsOf(train: string): Promise<string[]> {
  const entries = await list(train);
  const found = entries.map(({ name }) => name).filter((name) => synset.test(name));
  if (found.length > 0) return found.sort();
  throw new StriateError('INVALID_DATA', `${train} has no folder of a synset`, {
    remedy: 'Folders are called n01440764 and so on; for other names use data.imageFolder.',
    details: { folder: train },
  });
}

/** `n01440764 tench, Tinca tinca` a line, or with a tab. Two synsets may be called alike. */
async function namesOf(
  folders: readonly string[],
  synsets: readonly string[],
): Promise<readonly string[]> {
  const path = await firstOf(folders, nameFiles);
  if (path === undefined) return synsets;
  const names = new Map<string, string>();
  for await (const [line] of linesOf(path)) {
    const [, id, name] = /^(n\d{8})\s+(.+?)\s*$/.exec(line) ?? [];
    if (id !== undefined && name !== undefined) names.set(id, name);
  }
  const counts = new Map<string, number>();
  for (const id of synsets) {
    const name = names.get(id) ?? id;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return synsets.map((id) => {
    const name = names.get(id) ?? id;
    return counts.get(name)! > 1 ? `${name} (${id})` : name;
  });
}

async function flatSource(
  folders: readonly string[],
  val: string,
  synsets: readonly string[],
  classes: readonly string[],
): Promise<FileSource> {
  const path = await firstOf(folders, labelFiles);
  if (path === undefined)
    throw new StriateError('INVALID_DATA', `${val} has no classes`, {
      remedy: `Put the images into folders by synset, or ${labelFiles.join(' or ')} into ${folders[0]!}.`,
      details: { folder: val },
    });
  const numbers = new Map(synsets.map((id, number) => [id, number]));
  const source = new FileSource(val, classes);
  for await (const [text, line] of linesOf(path)) {
    const [name, label] = text.trim().split(/[\s,]+/);
    if (!name || label === undefined || name === 'ImageId') continue;
    const number = /^\d+$/.test(label) ? Number(label) : numbers.get(label);
    if (number === undefined || number >= synsets.length)
      throw new StriateError(
        'INVALID_DATA',
        `${path}, line ${line}, has the class ${label}, which is unknown`,
        {
          remedy: `There are ${synsets.length} synsets in train, ${synsets[0]!} to ${synsets.at(-1)!}.`,
          details: { path, line, class: label },
        },
      );
    source.add(/\.[A-Za-z]+$/.test(name) ? name : `${name}.JPEG`, number);
  }
  return source;
}

async function firstOf(
  folders: readonly string[],
  names: readonly string[],
): Promise<string | undefined> {
  for (const name of names)
    for (const folder of new Set(folders))
      if (await isThere(join(folder, name))) return join(folder, name);
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
