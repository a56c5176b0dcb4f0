import { writeAtomically } from '../../formats/atomic.js';
import { tarMembers, type TarMember } from '../../formats/tar.js';
import { CancelledError, StriateError } from '../../errors.js';
import { imageEndings } from '../images/source.js';
import { LocalFile, type FileState, type RandomBytes } from './bytes.js';

/** Where the samples of a shard lie. */
export interface ShardIndex {
  /** Of the shard, so that an index of another file is not used. */
  readonly bytes: number;
  readonly modified: number | null;
  /** The images' members, and where their contents lie. */
  readonly names: readonly string[];
  readonly offsets: readonly number[];
  readonly sizes: readonly number[];
  /** As they stand in the shard: numbers in digits, or names. */
  readonly labels: readonly string[];
  /** What was left out, by member, with the reason. */
  readonly problems: readonly (readonly [member: string, reason: string])[];
}

/** What an index file is called: the shard's name and this. */
export const indexEnding = '.index.json';

const format = 1;

/** A label is a number, a name, or a short JSON object. */
const longestLabel = 2 ** 16;

/**
 * The index of a shard: from the file beside it where that belongs to it, else from the shard's own headers.
 * A local one is kept beside the shard, where that folder can be written.
 * @throws StriateError `INVALID_FORMAT` for no tar file at all, `INVALID_DATA` for one that cannot be read
 */
export async function openIndex(shard: RandomBytes, signal?: AbortSignal): Promise<ShardIndex> {
  const state = await shard.describe(signal);
  const place = besideName(shard.name);
  const kept = await shard.beside(place, signal);
  const known = kept === undefined ? undefined : parseIndex(kept, state);
  if (known !== undefined) return known;
  const index = await scan(shard, state, signal);
  if (shard instanceof LocalFile && !damagedShard(index)) await writeIndex(place, index);
  return index;
}

/** Leaves an index beside a shard; a folder that cannot be written does without. */
export async function writeIndex(place: string, index: ShardIndex): Promise<void> {
  const text = JSON.stringify({ format, ...index });
  await writeAtomically(place, async (file) => {
    await file.writeFile(text);
  }).catch(() => undefined);
}

/** Query strings stay at the end of an address. */
export function besideName(name: string): string {
  const query = /^https?:/.test(name) ? name.search(/[?#]/) : -1;
  return query < 0 ? name + indexEnding : name.slice(0, query) + indexEnding + name.slice(query);
}

/** A shard that ends too early may be whole the next time. */
function damagedShard({ problems }: ShardIndex): boolean {
  return problems.some(([member]) => member === '');
}

/** Undefined for anything but the index of just this shard. */
function parseIndex(text: Buffer, state: FileState): ShardIndex | undefined {
  let found: Partial<ShardIndex> & { format?: unknown };
  try {
    found = (JSON.parse(text.toString('utf8')) ?? {}) as typeof found;
  } catch {
    return undefined;
  }
  const { names, offsets, sizes, labels, problems } = found;
  const strings = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((item) => typeof item === 'string');
  const counts = (list: unknown): list is number[] =>
    Array.isArray(list) &&
    list.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
  if (found.format !== format || found.bytes !== state.bytes) return undefined;
  if (state.modified !== null && found.modified !== state.modified) return undefined;
  if (!strings(names) || !strings(labels) || !counts(offsets) || !counts(sizes)) return undefined;
  if (!Array.isArray(problems) || !(problems as unknown[]).every(strings)) return undefined;
  const { length } = names;
  if ([labels, offsets, sizes].some((list) => list.length !== length)) return undefined;
  if (offsets.some((offset, i) => offset + sizes[i]! > state.bytes)) return undefined;
  return { ...state, names, offsets, sizes, labels, problems };
}

/** Reads all headers, and the labels. */
async function scan(
  shard: RandomBytes,
  state: FileState,
  signal: AbortSignal | undefined,
): Promise<ShardIndex> {
  const window = new Window(shard, state.bytes, signal);
  const [names, labels]: [string[], string[]] = [[], []];
  const [offsets, sizes]: [number[], number[]] = [[], []];
  const problems: [string, string][] = [];
  let sample: Sample | undefined;
  const finish = (): void => {
    if (sample === undefined) return;
    const { key, image, label } = sample;
    sample = undefined;
    if (image === undefined) problems.push([key, 'the sample has no image']);
    else if (label === undefined)
      problems.push([image.name, 'the sample has no .cls and no label']);
    else {
      names.push(image.name);
      offsets.push(image.offset);
      sizes.push(image.size);
      labels.push(label);
    }
  };
  try {
    for await (const member of tarMembers(shard.name, state.bytes, (at, n) => window.read(at, n))) {
      if (signal?.aborted)
        throw new CancelledError('reading was aborted', { cause: signal.reason });
      if (member.type === 'Directory') continue;
      const refused = refusal(member);
      if (refused !== undefined) {
        problems.push([member.name, refused]);
        continue;
      }
      const [key, ending] = keyOf(member.name);
      if (sample?.key !== key) {
        finish();
        sample = { key, image: undefined, label: undefined };
      }
      const kind = `.${ending.split('.').pop()!}`;
      if (imageEndings.has(kind)) sample.image ??= member;
      else if (kind === '.cls' || ending === 'cls.txt' || kind === '.json') {
        const label = await labelIn(member, kind, window);
        if (label !== undefined && (kind !== '.json' || sample.label === undefined))
          sample.label = label;
      }
    }
  } catch (error) {
    // What is before the damage can be used, for those who skip what is broken.
    if (!(error instanceof StriateError) || error.code !== 'INVALID_FORMAT') throw error;
    problems.push(['', error.message]);
    const whole = sample?.image !== undefined && sample.label !== undefined;
    if (!whole) sample = undefined;
  }
  finish();
  return { ...state, names, offsets, sizes, labels, problems };
}

interface Sample {
  key: string;
  image: TarMember | undefined;
  label: string | undefined;
}

/** Why a member is not looked at. None is ever unpacked, but a shard with such names is not to be trusted. */
function refusal({ name, type }: TarMember): string | undefined {
  if (type !== 'File' && type !== 'OldFile' && type !== 'ContiguousFile')
    return `is a ${type}, no file`;
  if (name === '' || name.includes('\0')) return 'has no proper name';
  if (/^([/\\]|[A-Za-z]:)/.test(name)) return 'has an absolute path';
  if (name.split(/[/\\]/).includes('..')) return 'has a path with ..';
  return undefined;
}

/** WebDataset's convention: the key goes to the first dot of the last part of the path. */
function keyOf(name: string): [key: string, ending: string] {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1).toLowerCase()];
}

async function labelIn(
  { offset, size }: TarMember,
  kind: string,
  window: Window,
): Promise<string | undefined> {
  if (size > longestLabel) return undefined;
  const text = (await window.read(offset, size)).toString('utf8');
  if (kind !== '.json') return text.trim();
  try {
    const found = JSON.parse(text) as Record<string, unknown> | null;
    const label = found?.label ?? found?.class ?? found?.cls;
    return typeof label === 'string' || typeof label === 'number' ? String(label) : undefined;
  } catch {
    return undefined;
  }
}

/** Reads a little more than asked, since labels stand beside headers. */
class Window {
  private begin = 0;
  private bytes: Buffer = Buffer.alloc(0);
  /** One more request costs as much as some hundred kilobytes over a network, as a page on a disk. */
  private readonly ahead: number;

  constructor(
    private readonly shard: RandomBytes,
    private readonly total: number,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.ahead = shard instanceof LocalFile ? 2 ** 13 : 2 ** 19;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const end = Math.min(offset + length, this.total);
    if (offset < this.begin || end > this.begin + this.bytes.length) {
      const size = Math.min(Math.max(length, this.ahead), this.total - offset);
      this.bytes = await this.shard.read(offset, size, this.signal);
      this.begin = offset;
    }
    return this.bytes.subarray(offset - this.begin, end - this.begin);
  }
}
