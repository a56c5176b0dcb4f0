import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StriateError } from '../../errors.js';
import { describe, invalid } from '../../graph/options.js';
import { namedOptions } from '../images/folder.js';
import { classNames } from '../images/list.js';
import { imageSet, readImageOptions, type ImageSet, type ImageSetOptions } from '../images/set.js';
import { Slots } from '../images/slots.js';
import { ClassNumbers, type ImageSource, type OnError } from '../images/source.js';
import { PackedNames } from '../packed-names.js';
import { expandBraces } from './braces.js';
import { LocalFile, mostBytes, type RandomBytes } from './bytes.js';
import { HttpFile, readHttpOptions, type HttpOptions } from './http.js';
import { openIndex, type ShardIndex } from './shard-index.js';

export interface TarOptions extends ImageSetOptions {
  /**
   * Names of the classes in their order. Default: those of `manifest.json` beside the shards, else the labels
   * themselves: names sorted, or numbers from 0 to the largest.
   */
  classes?: readonly string[];
  /** How shards behind HTTP are read. */
  http?: HttpOptions;
  signal?: AbortSignal;
}

/** Shards whose headers are read at a time. */
const openAtATime = 8;

/**
 * Tar shards in the WebDataset convention: files of one sample follow each other and share the name up to the
 * first dot; `.jpg` (or another image's ending) is the image, `.cls` its class by number or name, or `.json`
 * an object with `label`. Samples are read from where they lie, in any order; nothing is unpacked.
 *
 * @param shards a folder, a path or an address (`http:`, `https:`), with braces (`train-{000..123}.tar`), or
 *   several of them. The places of the samples are read from the shards' headers once, and kept beside local
 *   shards (`<shard>.index.json`); a server may offer such files, which `striate pack` writes.
 * @throws StriateError `INVALID_DATA` for shards that are missing, damaged or hold links, absolute paths,
 *   paths with `..`, or samples without image or class, unless `onError` is `'skip'`: then those are left
 *   out and named in `broken`. For an unknown class always.
 */
export async function tar(
  shards: string | readonly string[],
  options: TarOptions,
): Promise<ImageSet> {
  const where = 'data.tar';
  const { classes, http, signal, ...images } = namedOptions(where, options, ['http', 'signal']);
  const { onError } = readImageOptions(where, images);
  const httpOptions = readHttpOptions(where, http);
  const names = await shardNames(shards);
  const open = (name: string): RandomBytes =>
    isAddress(name) ? new HttpFile(name, httpOptions) : new LocalFile(name);
  const files = names.map(open);
  const indexes: ShardIndex[] = [];
  const broken = new Map<string, string>();
  await new Slots(openAtATime).forEach(
    files.length,
    async (i) => {
      indexes[i] = await openIndex(files[i]!, signal);
    },
    signal,
  );
  for (const [i, { problems }] of indexes.entries())
    for (const [member, reason] of problems) {
      const name = member === '' ? names[i]! : memberName(names[i]!, member);
      if (onError === 'throw') throw unsound(name, reason);
      broken.set(name, reason);
    }
  const known = classes ?? (await manifestClasses(names[0]!, open, signal));
  const source = new ShardSource(files, indexes, known, broken, onError);
  if (source.length === 0)
    throw new StriateError('INVALID_DATA', `${names[0]!} holds no sample`, {
      remedy: 'A sample is an image and its class: 0001.jpg and 0001.cls.',
      details: { shards: names.length },
    });
  return imageSet(where, source, images);
}

class ShardSource implements ImageSource {
  readonly classes: readonly string[];
  readonly problems: ReadonlyMap<string, string>;
  private readonly names = new PackedNames();
  private readonly offsets: Float64Array;
  private readonly sizes: Uint32Array;
  private readonly labels: Int32Array;
  private readonly shardOf: Uint32Array;

  constructor(
    private readonly files: readonly RandomBytes[],
    indexes: readonly ShardIndex[],
    classes: readonly string[] | undefined,
    problems: Map<string, string>,
    onError: OnError,
  ) {
    this.classes = classes ?? classesOf(indexes);
    this.problems = problems;
    const numbers = new ClassNumbers(this.classes);
    const most = indexes.reduce((sum, { names }) => sum + names.length, 0);
    const [offsets, sizes] = [new Float64Array(most), new Uint32Array(most)];
    const [labels, shardOf] = [new Int32Array(most), new Uint32Array(most)];
    let count = 0;
    for (const [shard, index] of indexes.entries())
      for (const [i, name] of index.names.entries()) {
        const whole = memberName(files[shard]!.name, name);
        const size = index.sizes[i]!;
        if (size > mostBytes) {
          const reason = `has ${size} bytes, no image has`;
          if (onError === 'throw') throw unsound(whole, reason);
          problems.set(whole, reason);
          continue;
        }
        labels[count] = numbers.of(index.labels[i]!, whole);
        offsets[count] = index.offsets[i]!;
        sizes[count] = size;
        shardOf[count] = shard;
        this.names.add(name);
        count++;
      }
    this.offsets = offsets;
    this.sizes = sizes;
    this.labels = labels;
    this.shardOf = shardOf;
  }

  get length(): number {
    return this.names.length;
  }

  nameOf(index: number): string {
    return memberName(this.files[this.shardOf[index]!]!.name, this.names.at(index));
  }

  labelOf(index: number): number {
    return this.labels[index]!;
  }

  read(index: number, signal?: AbortSignal): Promise<Uint8Array> {
    const file = this.files[this.shardOf[index]!]!;
    return file.read(this.offsets[index]!, this.sizes[index]!, signal);
  }
}

/** A member of a shard in messages. */
function memberName(shard: string, member: string): string {
  return `${shard}: ${member}`;
}

function unsound(name: string, reason: string): StriateError {
  return new StriateError('INVALID_DATA', `${name}: ${reason}`, {
    remedy: "Make the shard anew, or leave such samples out: onError: 'skip'.",
    details: { name },
  });
}

export function isAddress(name: string): boolean {
  return /^https?:\/\//i.test(name);
}

/** Shards by name: those of a folder, or what patterns stand for. */
export async function shardNames(shards: string | readonly string[]): Promise<string[]> {
  const patterns: readonly unknown[] = typeof shards === 'string' ? [shards] : shards;
  if (
    !Array.isArray(patterns) ||
    patterns.length === 0 ||
    patterns.some((p) => typeof p !== 'string')
  )
    throw invalid(
      `data.tar: the shards are ${describe(shards)}`,
      "Give a folder, or 'shards/train-{000..123}.tar'.",
    );
  const names: string[] = [];
  for (const pattern of patterns as string[]) {
    const folder = isAddress(pattern) ? undefined : await shardsIn(pattern);
    names.push(...(folder ?? expandBraces(pattern)));
  }
  return names;
}

/** The tar files of a folder, sorted; undefined for what is no folder. */
async function shardsIn(folder: string): Promise<string[] | undefined> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true) return undefined;
  const names = (await readdir(folder)).filter((name) => /^[^.].*\.tar$/.test(name)).sort();
  if (names.length > 0) return names.map((name) => join(folder, name));
  throw new StriateError('INVALID_DATA', `${folder} holds no .tar file`, {
    remedy: 'Name a folder of shards; striate pack makes them from a folder of images.',
    details: { folder },
  });
}

async function manifestClasses(
  shard: string,
  open: (name: string) => RandomBytes,
  signal: AbortSignal | undefined,
): Promise<readonly string[] | undefined> {
  const place = isAddress(shard)
    ? new URL('manifest.json', shard).href
    : join(dirname(shard), 'manifest.json');
  const text = await open(shard).beside(place, signal);
  if (text === undefined) return undefined;
  try {
    const { classes } = JSON.parse(text.toString('utf8')) as { classes?: unknown };
    if (Array.isArray(classes) && classes.every((name) => typeof name === 'string')) return classes;
  } catch {
    // Another program's file of this name.
  }
  return undefined;
}

/** Every label that there is. */
function classesOf(indexes: readonly ShardIndex[]): string[] {
  return classNames([...new Set(indexes.flatMap(({ labels }) => labels))]);
}
