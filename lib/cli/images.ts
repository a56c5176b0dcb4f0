import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  imageFolder,
  imageList,
  tar,
  type ImageFolderOptions,
  type ImageSet,
} from '../data/index.js';
import { isFolder } from './dataset.js';

/** Folders of a set's parts. */
const partNames = ['train', 'val', 'validation', 'test'];

export interface ImagePart {
  /** The folder's name in the set; '' for a set without parts. */
  name: string;
  set: ImageSet;
  /** What names of images begin with. */
  root: string;
}

export const imagesArgument =
  'a folder with a folder for each class (or train/ and val/ of such), a list (.csv, .jsonl), or shards: a folder, or a path or address with braces';

/** Opens images of any kind by name; the parts of a set share the classes of its first. */
export async function openImages(
  name: string,
  options: ImageFolderOptions,
): Promise<readonly ImagePart[]> {
  const parts = isFolder(name) ? partNames.filter((part) => isFolder(join(name, part))) : [];
  if (parts.length === 0)
    return [{ name: '', set: await openPart(name, options), root: `${name}/` }];
  const opened: ImagePart[] = [];
  for (const part of parts) {
    const classes = opened[0]?.set.classes ?? options.classes;
    const folder = join(name, part);
    const set = await openPart(folder, { ...options, ...(classes ? { classes } : {}) });
    opened.push({ name: part, set, root: `${folder}/` });
  }
  return opened;
}

/** One set: shards where there are some, files else. */
export function openPart(name: string, options: ImageFolderOptions): Promise<ImageSet> {
  if (/\.(csv|jsonl|ndjson)$/i.test(name)) return imageList(name, options);
  if (!isFolder(name) || hasShards(name)) return tar(name, options);
  return imageFolder(name, options);
}

function hasShards(folder: string): boolean {
  return readdirSync(folder).some((name) => /^[^.].*\.tar$/.test(name));
}
