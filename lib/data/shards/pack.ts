import { createHash, type Hash } from 'node:crypto';
import { mkdir, open, readFile, rename, stat, type FileHandle } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { CancelledError, StriateError } from '../../errors.js';
import { writeAll, writeAtomically } from '../../formats/atomic.js';
import { tarEnd, tarHeader, tarMembers, tarPadding, type TarMember } from '../../formats/tar.js';
import { checkNames, describe, invalid } from '../../graph/options.js';
import { rawInput } from '../images/decode.js';
import { imageHead } from '../images/head.js';
import type { ImageSet } from '../images/set.js';
import { Slots } from '../images/slots.js';
import type { OnError } from '../images/source.js';
import { Permutation } from '../permutation.js';
import { LocalFile } from './bytes.js';
import { openIndex } from './shard-index.js';

export interface PackOptions {
  /** The folder of the shards; it is made. */
  out: string;
  /** Pixels of the shorter side of images that are larger; default 256. */
  size?: number;
  /** Bytes at which a shard is full; default 512,000,000. */
  shardSize?: number;
  /** `'jpeg'` (default), or `'raw'`: pixels as PPM, five to ten times as large and without decoding. */
  format?: 'jpeg' | 'raw';
  /** Of JPEG, 1 to 100; default 90. */
  quality?: number;
  /** An image that does not decode: `'throw'` (default), or `'skip'`: left out, named in the manifest. */
  onError?: OnError;
  /** Images at a time; default one a core. */
  workers?: number;
  /** After an abort, what is written stays: the same call goes on with it. */
  signal?: AbortSignal;
  onProgress?: (progress: PackProgress) => void;
}

export interface PackProgress {
  /** Images looked at, of all. */
  done: number;
  total: number;
  /** Bytes of the shards so far. */
  bytes: number;
}

/** What `manifest.json` says of a folder of shards. */
export interface ShardManifest {
  readonly format: 1;
  /** False while shards are missing. */
  readonly complete: boolean;
  readonly classes: readonly string[];
  /** How the images were made. */
  readonly images: { format: 'jpeg' | 'raw'; size: number; quality: number | null };
  readonly shardSize: number;
  /** SHA-256 of names and classes of all images, in their order in the folder. */
  readonly list: string;
  readonly shards: readonly ShardEntry[];
  /** Images that were left out: name and reason. */
  readonly broken: readonly (readonly [name: string, reason: string])[];
}

export interface ShardEntry {
  readonly file: string;
  readonly samples: number;
  /** Images looked at, those left out too. */
  readonly images: number;
  readonly bytes: number;
  readonly sha256: string;
}

export const manifestName = 'manifest.json';

/**
 * Writes a data set as tar shards: images made smaller, in a mixed order that never changes, so that any
 * stretch of a shard holds all classes. Each shard appears whole or not at all, with its index; the manifest
 * names those that are done, with their checksums. A run that was ended, at whatever moment, goes on where
 * it was, and gives the bytes of one that was not.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a folder that holds shards of other images or settings,
 *   `INVALID_DATA` for an image that does not decode (`onError`), `CANCELLED` after an abort.
 */
export async function pack(set: ImageSet, options: PackOptions): Promise<ShardManifest> {
  const settings = readOptions(options);
  const { out } = settings;
  await mkdir(out, { recursive: true }).catch((cause: unknown) => {
    throw cannotWrite(out, cause);
  });
  return new Packer(set, settings).run();
}

const optionNames = 'out size shardSize format quality onError workers signal onProgress'.split(
  ' ',
);

type Settings = ReturnType<typeof readOptions>;

function readOptions(options: PackOptions) {
  checkNames('data.pack', optionNames, options);
  const { out, size = 256, shardSize = 512_000_000, format = 'jpeg', quality = 90 } = options;
  const { onError = 'throw', workers = availableParallelism() } = options;
  if (typeof out !== 'string' || out === '')
    throw invalid(`data.pack: out is ${describe(out)}`, 'Name a folder for the shards.');
  for (const [name, value, most] of [
    ['size', size, 65_535],
    ['shardSize', shardSize, Number.MAX_SAFE_INTEGER],
    ['quality', quality, 100],
    ['workers', workers, 1024],
  ] as const)
    if (!Number.isSafeInteger(value) || value < 1 || value > most)
      throw invalid(`data.pack: ${name} is ${describe(value)}`, `Give a number from 1 to ${most}.`);
  if (format !== 'jpeg' && format !== 'raw')
    throw invalid(`data.pack: format is ${describe(format)}`, "Give 'jpeg' or 'raw'.");
  if (onError !== 'throw' && onError !== 'skip')
    throw invalid(`data.pack: onError is ${describe(onError)}`, "Give 'throw' or 'skip'.");
  const { signal, onProgress } = options;
  return { out, size, shardSize, format, quality, onError, workers, signal, onProgress };
}

/** One image, made, or what kept it from being made. */
type Made = { bytes: Uint8Array } | { reason: string };

class Packer {
  private readonly order: Permutation;
  private readonly slots: Slots;
  private readonly manifest: ShardManifest;
  private readonly shards: ShardEntry[] = [];
  private readonly broken: (readonly [string, string])[] = [];
  /** Images that are begun, by position; as many as keep the workers busy. */
  private readonly coming = new Map<number, Promise<Made>>();
  private bytes = 0;

  constructor(
    private readonly set: ImageSet,
    private readonly settings: Settings,
  ) {
    const { size, format, quality, shardSize, workers } = settings;
    this.order = new Permutation(set.length, 0, 0);
    this.slots = new Slots(workers);
    this.manifest = {
      format: 1,
      complete: false,
      classes: set.classes,
      images: { format, size, quality: format === 'jpeg' ? quality : null },
      shardSize,
      list: listDigest(set),
      shards: this.shards,
      broken: this.broken,
    };
  }

  async run(): Promise<ShardManifest> {
    const done = await this.earlier();
    if (done !== undefined) return done;
    try {
      for (let position = this.packed; position < this.set.length;)
        position = await this.writeShard(position);
    } finally {
      // What is begun must end, or it would go on behind the caller's back.
      await Promise.allSettled(this.coming.values());
    }
    if (this.shards.every(({ samples }) => samples === 0))
      throw new StriateError('INVALID_DATA', 'no image of the set decodes', {
        remedy: 'Look at the reasons with striate data check.',
      });
    return this.writeManifest(true);
  }

  /** Images of the shards that are done. */
  private get packed(): number {
    return this.shards.reduce((sum, { images }) => sum + images, 0);
  }

  private pathOf(shard: number): string {
    return join(this.settings.out, shardName(shard));
  }

  /** Takes over what an earlier run left; its manifest when nothing is missing. */
  private async earlier(): Promise<ShardManifest | undefined> {
    const path = join(this.settings.out, manifestName);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const found = parseManifest(text);
    const same = (key: 'classes' | 'images' | 'shardSize' | 'list'): boolean =>
      JSON.stringify(found?.[key]) === JSON.stringify(this.manifest[key]);
    if (!found || !same('classes') || !same('images') || !same('shardSize') || !same('list'))
      throw invalid(
        `${path} is of other images or settings`,
        'Choose another folder, delete this one, or give the settings it was begun with.',
      );
    for (const shard of found.shards) {
      const there = await stat(join(this.settings.out, shard.file)).catch(() => undefined);
      // From the first one that is missing everything is made again.
      if (there?.size !== shard.bytes) break;
      this.shards.push(shard);
      this.bytes += shard.bytes;
    }
    this.broken.push(...found.broken);
    const whole = found.complete && this.shards.length === found.shards.length;
    if (!whole && this.broken.length > 0) this.dropBroken(this.packed);
    return whole ? found : undefined;
  }

  /** Forgets what was left out from this position on: it will be found again. */
  private dropBroken(position: number): void {
    const kept = new Set<string>();
    for (let p = 0; p < position; p++) kept.add(this.set.nameOf(this.order.at(p)));
    const before = this.broken.filter(([name]) => kept.has(name));
    this.broken.splice(0, Infinity, ...before);
  }

  /** Writes the shard that begins at a position; returns where the next one begins. */
  private async writeShard(begin: number): Promise<number> {
    const path = this.pathOf(this.shards.length);
    const part = `${path}.part`;
    const shard = await Shard.open(part);
    let position = begin;
    try {
      for (const [count, sample] of (await shard.samples()).entries()) {
        const next = await this.takeOver(position, sample);
        if (next === undefined) {
          await shard.keep(sample.begin, count);
          break;
        }
        position = next;
      }
      const { shardSize } = this.settings;
      while (position < this.set.length && (shard.bytes < shardSize || shard.count === 0)) {
        const made = await this.make(position);
        const index = this.order.at(position);
        if ('bytes' in made)
          await shard.add(this.keyOf(position), made.bytes, this.ending, this.set.labelOf(index));
        else this.broken.push([this.set.nameOf(index), made.reason]);
        position++;
        this.report(position, shard.bytes);
      }
      const { bytes, sha256, count } = await shard.finish();
      await rename(part, path);
      await openIndex(new LocalFile(path));
      const file = basename(path);
      this.shards.push({ file, samples: count, images: position - begin, bytes, sha256 });
      this.bytes += bytes;
    } finally {
      await shard.close();
    }
    await this.writeManifest(false);
    return position;
  }

  /** A sample that an earlier run wrote: the position behind it, or undefined when it is another's. */
  private async takeOver(position: number, { image }: PartSample): Promise<number | undefined> {
    const found = Number(/^(\d+)-/.exec(image.name)?.[1]);
    if (!(found >= position && found < this.set.length)) return undefined;
    if (image.name !== `${this.keyOf(found)}.${this.ending}`) return undefined;
    // Those between were left out; why, only they can tell.
    for (let p = position; p < found; p++) {
      const made = await this.make(p);
      if ('bytes' in made) return undefined;
      this.broken.push([this.set.nameOf(this.order.at(p)), made.reason]);
    }
    this.report(found + 1, 0);
    return found + 1;
  }

  /** The image at a position; those behind it are begun meanwhile. */
  private async make(position: number): Promise<Made> {
    const { signal, workers } = this.settings;
    if (signal?.aborted)
      throw new CancelledError('packing was ended; what is written stays', {
        cause: signal.reason,
        remedy: 'The same call goes on with it.',
      });
    for (let p = position; p < Math.min(this.set.length, position + 4 * workers); p++) {
      if (this.coming.has(p)) continue;
      const made = this.slots.run(() => this.encode(p));
      made.catch(() => undefined);
      this.coming.set(p, made);
    }
    const made = await this.coming.get(position)!;
    this.coming.delete(position);
    if ('reason' in made && this.settings.onError === 'throw')
      throw new StriateError('INVALID_DATA', made.reason, {
        remedy: "Replace or remove the file, or leave such files out: onError: 'skip'.",
      });
    return made;
  }

  private async encode(position: number): Promise<Made> {
    const index = this.order.at(position);
    try {
      return { bytes: await encoded(await this.set.encoded(index), this.settings) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const name = this.set.nameOf(index);
      return { reason: reason.startsWith(name) ? reason : `${name}: ${reason}` };
    }
  }

  private get ending(): string {
    return this.settings.format === 'raw' ? 'ppm' : 'jpg';
  }

  /** The number of a sample, and its name for people. No dot: the key ends there. */
  private keyOf(position: number): string {
    const name = basename(this.set.nameOf(this.order.at(position))).replace(/\.[^.]*$/, '');
    return `${String(position).padStart(8, '0')}-${name.replace(/[^A-Za-z0-9_-]+/g, '_').slice(0, 64)}`;
  }

  private report(done: number, open: number): void {
    this.settings.onProgress?.({ done, total: this.set.length, bytes: this.bytes + open });
  }

  private async writeManifest(complete: boolean): Promise<ShardManifest> {
    const manifest = { ...this.manifest, complete };
    await writeAtomically(join(this.settings.out, manifestName), async (file) => {
      await file.writeFile(`${JSON.stringify(manifest, null, 1)}\n`);
    });
    return manifest;
  }
}

/** An image with its class in a shard that is being written. */
interface PartSample {
  image: TarMember;
  /** Where the sample begins in the file. */
  begin: number;
}

/** A shard that is being written; it may have been begun by an earlier run. */
class Shard {
  bytes = 0;
  count = 0;
  private hash: Hash = createHash('sha256');

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  static async open(path: string): Promise<Shard> {
    const file = await open(path, 'a+').catch((cause: unknown) => {
      throw cannotWrite(path, cause);
    });
    return new Shard(path, file);
  }

  /** The whole samples that the file holds; what is behind them is cut off. */
  async samples(): Promise<PartSample[]> {
    const { size } = await this.file.stat();
    const found: PartSample[] = [];
    const members: TarMember[] = [];
    try {
      const local = new LocalFile(this.path);
      const readAt = (at: number, n: number): Promise<Buffer> =>
        local.read(at, Math.min(n, size - at));
      for await (const member of tarMembers(this.path, size, readAt)) members.push(member);
    } catch (error) {
      if (!(error instanceof StriateError)) throw error;
    }
    let begin = 0;
    for (let i = 0; i + 1 < members.length; i += 2) {
      const [image, label] = [members[i]!, members[i + 1]!];
      const end = label.offset + label.size + tarPadding(label.size).length;
      if (end > size || !label.name.endsWith('.cls')) break;
      found.push({ image, begin });
      begin = end;
    }
    await this.keep(begin, found.length);
    return found;
  }

  async add(key: string, image: Uint8Array, ending: string, label: number): Promise<void> {
    const cls = Buffer.from(String(label));
    const bytes = Buffer.concat([
      await tarHeader(`${key}.${ending}`, image.length, epoch),
      image,
      tarPadding(image.length),
      await tarHeader(`${key}.cls`, cls.length, epoch),
      cls,
      tarPadding(cls.length),
    ]);
    await this.write(bytes);
    this.count++;
  }

  async finish(): Promise<{ bytes: number; sha256: string; count: number }> {
    await this.write(tarEnd);
    await this.file.sync();
    return { bytes: this.bytes, sha256: this.hash.digest('hex'), count: this.count };
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.file, bytes).catch((cause: unknown) => {
      throw cannotWrite(this.path, cause);
    });
    this.hash.update(bytes);
    this.bytes += bytes.length;
  }

  /** Keeps the first bytes, which are `count` samples, and reads them for the checksum. */
  async keep(bytes: number, count: number): Promise<void> {
    await this.file.truncate(bytes);
    this.hash = createHash('sha256');
    const piece = Buffer.alloc(2 ** 20);
    for (let at = 0; at < bytes;) {
      const { bytesRead } = await this.file.read(piece, 0, Math.min(piece.length, bytes - at), at);
      if (bytesRead === 0) throw cannotWrite(this.path, 'it became shorter meanwhile');
      this.hash.update(piece.subarray(0, bytesRead));
      at += bytesRead;
    }
    this.bytes = bytes;
    this.count = count;
  }
}

/** Shards do not tell when they were made, so that the same images give the same bytes. */
const epoch = new Date(0);

/** An image as it stands in the shard. JPEG files that are small enough stay as they are. */
async function encoded(
  bytes: Uint8Array,
  { size, format, quality }: Settings,
): Promise<Uint8Array> {
  if (bytes.length === 0) throw new Error('the file is empty');
  const { default: sharp } = await import('sharp');
  const head = imageHead(bytes);
  const small = head !== undefined && Math.min(head.width, head.height) <= size;
  if (format === 'jpeg' && head?.kind === 'jpeg' && head.plain && small) {
    // Decoded all the same, since a cut file must not come into the shard.
    await sharp(bytes).resize(8, 8, { fit: 'fill' }).raw().toBuffer();
    return bytes;
  }
  const image = head?.kind === 'ppm' ? rawInput(sharp, bytes, head) : sharp(bytes).autoOrient();
  image
    .resize(size, size, { fit: 'outside', withoutEnlargement: true })
    .flatten({ background: '#000000' })
    .toColourspace('srgb');
  if (format === 'jpeg') return image.jpeg({ quality }).toBuffer();
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return Buffer.concat([Buffer.from(`P6\n${info.width} ${info.height}\n255\n`), data]);
}

export function shardName(shard: number): string {
  return `shard-${String(shard).padStart(6, '0')}.tar`;
}

function listDigest(set: ImageSet): string {
  const hash = createHash('sha256');
  for (let i = 0; i < set.length; i++) hash.update(`${set.nameOf(i)}\0${set.labelOf(i)}\n`);
  return hash.digest('hex');
}

/** Undefined for anything but a manifest. */
export function parseManifest(text: string): ShardManifest | undefined {
  try {
    const found = JSON.parse(text) as Partial<ShardManifest> | null;
    const entries: unknown = found?.shards;
    const sound = (entry: Partial<ShardEntry> | null): boolean =>
      typeof entry?.file === 'string' &&
      basename(entry.file) === entry.file &&
      Number.isSafeInteger(entry.bytes) &&
      Number.isSafeInteger(entry.images) &&
      Number.isSafeInteger(entry.samples) &&
      typeof entry.sha256 === 'string';
    if (found?.format !== 1 || !Array.isArray(entries) || !Array.isArray(found.broken))
      return undefined;
    return (entries as Partial<ShardEntry>[]).every(sound) ? (found as ShardManifest) : undefined;
  } catch {
    return undefined;
  }
}

function cannotWrite(path: string, cause: unknown): StriateError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StriateError('INVALID_ARGUMENT', `cannot write ${path}: ${reason}`, {
    remedy: 'Name a folder that can be written and has room.',
    cause,
  });
}
