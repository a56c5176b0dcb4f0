import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { StriateError } from '../../errors.js';
import { checkNames } from '../../graph/options.js';
import { PackedNames } from '../packed-names.js';
import { imageSet, imageSetOptions, type ImageSet, type ImageSetOptions } from './set.js';
import { imageEndings, type ImageSource } from './source.js';

export interface ImageFolderOptions extends ImageSetOptions {
  /** Names of the classes in their order; default the folders, sorted. Another folder is refused. */
  classes?: readonly string[];
}

/** A data set of image files. */
export interface ImageFolder extends ImageSet {
  /** The file of a sample. */
  pathOf(index: number): string;
}

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
  const { classes, ...images } = namedOptions('data.imageFolder', options);
  const source = await folderSource(folder, classes);
  return fileSet('data.imageFolder', source, images);
}

/** Options of a set of images that may name its classes. */
export function namedOptions<O extends ImageFolderOptions>(
  where: string,
  options: O,
  more: readonly string[] = [],
): O {
  checkNames(where, [...imageSetOptions, 'classes', ...more], options);
  return options;
}

/** An image set over files. */
export function fileSet(where: string, source: ImageSource, options: ImageSetOptions): ImageFolder {
  const set = imageSet(where, source, options);
  return { ...set, pathOf: (index) => set.nameOf(index) };
}

/** Files by name below a folder, each with its label. */
export class FileSource implements ImageSource {
  private names = new PackedNames();
  private labels = new Int32Array(64);

  constructor(
    private readonly folder: string,
    readonly classes: readonly string[],
    readonly problems: ReadonlyMap<string, string> = new Map(),
  ) {}

  get length(): number {
    return this.names.length;
  }

  /** `name`: relative to the folder, or absolute where the folder is ''. */
  add(name: string, label: number): void {
    if (this.length === this.labels.length) {
      const longer = new Int32Array(2 * this.length);
      longer.set(this.labels);
      this.labels = longer;
    }
    this.labels[this.length] = label;
    this.names.add(name);
  }

  /** The same files with these classes; what was label i becomes `labels[i]`. */
  named(classes: readonly string[], labels: readonly number[]): FileSource {
    const named = new FileSource(this.folder, classes, this.problems);
    named.names = this.names;
    named.labels = this.labels.map((label) => labels[label] ?? label);
    return named;
  }

  nameOf(index: number): string {
    return join(this.folder, this.names.at(index));
  }

  labelOf(index: number): number {
    return this.labels[index]!;
  }

  async read(index: number, signal?: AbortSignal): Promise<Uint8Array> {
    const path = this.nameOf(index);
    try {
      return await readFile(path, signal === undefined ? {} : { signal });
    } catch (cause) {
      throw new StriateError(
        'INVALID_DATA',
        `${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          remedy: 'Look whether the file is there and may be read.',
          details: { path },
          cause,
        },
      );
    }
  }
}

/**
 * @param wanted names of the folders in the order of their classes; another folder is an error
 * @param classes what the classes are called; default as their folders
 */
export async function folderSource(
  folder: string,
  wanted: readonly string[] | undefined,
  classes?: readonly string[],
): Promise<FileSource> {
  const entries = await list(folder);
  const found = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const names = found.filter((name) => !name.startsWith('.')).sort();
  if (names.length === 0)
    throw new StriateError('INVALID_DATA', `${folder} holds no folder of a class`, {
      remedy: 'Put the images of each class into a folder with its name.',
      details: { folder },
    });
  const numbers = new Map((wanted ?? names).map((name, number) => [name, number]));
  const source = new FileSource(folder, [...(classes ?? numbers.keys())]);
  for (const name of names) {
    const label = numbers.get(name);
    if (label === undefined)
      throw new StriateError('INVALID_DATA', `${folder} has the class ${name}, which is unknown`, {
        remedy: `The classes are ${[...numbers.keys()].slice(0, 20).join(', ')}.`,
        details: { folder, class: name },
      });
    for await (const path of imagesBelow(folder, name)) source.add(path, label);
  }
  if (source.length === 0)
    throw new StriateError('INVALID_DATA', `${folder} holds no image`, {
      remedy: `Images end in ${[...imageEndings].join(', ')}.`,
      details: { folder },
    });
  return source;
}

/** Names relative to the root, in an order that does not depend on the file system. */
export async function* imagesBelow(root: string, folder: string): AsyncGenerator<string> {
  const entries = await list(join(root, folder));
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* imagesBelow(root, path);
    else if (imageEndings.has(extname(entry.name).toLowerCase())) yield path;
  }
}

/** @internal */
export async function list(folder: string) {
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
