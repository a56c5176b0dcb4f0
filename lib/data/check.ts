import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { CancelledError } from '../errors.js';
import { checkNames } from '../graph/options.js';
import { Stream } from '../initializers/philox.js';
import { decodeInto } from './images/decode.js';
import type { ImageSet } from './images/set.js';
import { Slots } from './images/slots.js';

export interface CheckOptions {
  /** Images of each class to keep as thumbnails for a contact sheet; default 0. */
  thumbnails?: number;
  /** Where names begin that say something of the class: what is before is the place of the set. */
  root?: string;
  workers?: number;
  signal?: AbortSignal;
  /** Images looked at, of all. */
  onProgress?: (done: number, total: number) => void;
}

/** An image, and what there is to say of it. */
export interface Finding {
  readonly name: string;
  readonly reason: string;
}

export interface CheckReport {
  readonly images: number;
  /** Images of each class, those that do not decode too. */
  readonly classes: readonly { name: string; count: number }[];
  /** What does not decode, or was left out of shards. */
  readonly broken: readonly Finding[];
  /** Images whose path names another class, or that stand under two classes. */
  readonly mislabelled: readonly Finding[];
  readonly thumbnails: readonly Thumbnail[];
}

/** RGB bytes, `side` x `side`. */
export interface Thumbnail {
  readonly label: number;
  readonly pixels: Uint8Array;
}

export const thumbnailSide = 64;

/**
 * Decodes every image of a set once. Nothing is held but a short digest of each, and the thumbnails.
 * @throws StriateError `CANCELLED` after an abort.
 */
export async function check(set: ImageSet, options: CheckOptions = {}): Promise<CheckReport> {
  checkNames('data.check', ['thumbnails', 'root', 'workers', 'signal', 'onProgress'], options);
  const { thumbnails = 0, root = '', signal, onProgress } = options;
  const counts = set.classes.map(() => 0);
  const broken = [...set.broken].map(([name, reason]) => ({ name, reason }));
  const mislabelled: Finding[] = [];
  const paths = new PathReader(set.classes, root);
  const twins = new Twins();
  const chosen = choose(set, thumbnails);
  const kept: { index: number; thumbnail: Thumbnail }[] = [];
  const findings: { index: number; finding: Finding; list: Finding[] }[] = [];
  let done = 0;
  const look = async (index: number): Promise<void> => {
    const name = set.nameOf(index);
    const label = set.labelOf(index);
    counts[label] = (counts[label] ?? 0) + 1;
    const note = (list: Finding[], reason: string): void =>
      void findings.push({ index, finding: { name, reason }, list });
    const other = paths.otherClass(name, label);
    if (other !== undefined)
      note(mislabelled, `the path says ${other}, the class is ${set.classes[label]!}`);
    try {
      const bytes = await set.encoded(index, signal);
      const pixels = new Uint8Array(thumbnailSide * thumbnailSide * 3);
      const side = { width: thumbnailSide, height: thumbnailSide };
      await decodeInto(name, bytes, 3, (whole) => ({ ...whole, ...side }), pixels);
      const twin = twins.add(bytes, index);
      if (twin !== undefined && set.labelOf(twin) !== label) {
        // Told of the later one, whichever was ready first.
        const [first, second] = [Math.min(index, twin), Math.max(index, twin)];
        const elsewhere = `${set.classes[set.labelOf(first)]!}: ${set.nameOf(first)}`;
        const reason = `the same image stands under ${elsewhere}`;
        const finding = { name: set.nameOf(second), reason };
        findings.push({ index: second, finding, list: mislabelled });
      }
      if (chosen.has(index)) kept.push({ index, thumbnail: { label, pixels } });
    } catch (error) {
      if (signal?.aborted)
        throw new CancelledError('the check was ended', { cause: signal.reason });
      const reason = error instanceof Error ? error.message : String(error);
      note(broken, reason.startsWith(`${name}: `) ? reason.slice(name.length + 2) : reason);
    }
    onProgress?.(++done, set.length);
  };
  await new Slots(options.workers ?? availableParallelism()).forEach(set.length, look, signal);
  // In the order of the set, whichever was ready first.
  for (const { finding, list } of findings.sort((a, b) => a.index - b.index)) list.push(finding);
  return {
    images: set.length,
    classes: set.classes.map((name, label) => ({ name, count: counts[label]! })),
    broken,
    mislabelled,
    thumbnails: kept.sort((a, b) => a.index - b.index).map(({ thumbnail }) => thumbnail),
  };
}

/** Finds names of classes in paths. */
class PathReader {
  private readonly numbers: ReadonlyMap<string, number>;
  private readonly wordy: boolean;

  constructor(
    private readonly classes: readonly string[],
    private readonly root: string,
  ) {
    this.numbers = new Map(classes.map((name, number) => [name.toLowerCase(), number]));
    // In a file's name a 7 is seldom a class.
    this.wordy = !classes.some((name) => /^\d+$/.test(name));
  }

  /** A class that folders or the file's name name, when they do not name the sample's own. */
  otherClass(name: string, label: number): string | undefined {
    const below = name.startsWith(this.root) ? name.slice(this.root.length) : name;
    const parts = below.replace(/^.*: /, '').split('/').filter(Boolean);
    const file = parts.pop() ?? '';
    const words = this.wordy ? file.replace(/\.[^.]*$/, '').split(/[^\p{L}\p{N}]+/u) : [];
    // Of folders the innermost counts, of the words in a file's name any.
    const folder = parts.map((part) => this.numberOf(part)).findLast((n) => n !== undefined);
    const named = words.map((word) => this.numberOf(word)).filter((n) => n !== undefined);
    const other = folder !== undefined && folder !== label ? folder : named[0];
    if (folder === undefined || folder === label) if (named.includes(label)) return undefined;
    return other === undefined ? undefined : this.classes[other];
  }

  private numberOf(part: string): number | undefined {
    return this.numbers.get(part.toLowerCase());
  }
}

/** Files of the same bytes. */
class Twins {
  private readonly seen = new Map<number, number>();

  /** The file of the same bytes that came before, if there is one. */
  add(bytes: Uint8Array, index: number): number | undefined {
    // 48 bits: among a million files two are alike by chance once in 500 sets.
    const digest = createHash('sha1').update(bytes).digest().readUIntBE(0, 6);
    const twin = this.seen.get(digest);
    if (twin === undefined) this.seen.set(digest, index);
    return twin;
  }
}

/** So many of each class, drawn evenly in one pass. */
function choose(set: ImageSet, count: number): ReadonlySet<number> {
  const draw = new Stream(0, 'contact sheet');
  const chosen = set.classes.map((): number[] => []);
  const seen = set.classes.map(() => 0);
  if (count === 0) return new Set();
  for (let index = 0; index < set.length; index++) {
    const label = set.labelOf(index);
    const place = Math.floor(draw.uniform() * ++seen[label]!);
    const own = chosen[label]!;
    if (own.length < count) own.push(index);
    else if (place < count) own[place] = index;
  }
  return new Set(chosen.flat());
}
