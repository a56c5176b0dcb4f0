/**
 * Safetensors: eight bytes of header length, a JSON header, the tensors' bytes without gaps.
 * Format: https://huggingface.co/docs/safetensors, "Format". Little-endian, as every machine that
 * Striate runs on.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { FormatError, StriateError } from '../errors.js';
import { writeAll, writeAtomically } from './atomic.js';

export type HostDType = 'float32' | 'float64' | 'uint8' | 'int32' | 'int64';
export type HostData = Float32Array | Float64Array | Uint8Array | Int32Array | BigInt64Array;

/** A named array's contents: row-major, the last axis contiguous. */
export interface HostTensor {
  dtype: HostDType;
  shape: readonly number[];
  data: HostData;
}

export interface SafetensorsEntry {
  dtype: HostDType;
  shape: readonly number[];
  /** Bytes from the start of the file. */
  begin: number;
  end: number;
}

interface Kind {
  dtype: HostDType;
  bytes: number;
  array: new (buffer: ArrayBuffer) => HostData;
}

const kinds: Readonly<Record<string, Kind>> = {
  F32: { dtype: 'float32', bytes: 4, array: Float32Array },
  F64: { dtype: 'float64', bytes: 8, array: Float64Array },
  U8: { dtype: 'uint8', bytes: 1, array: Uint8Array },
  I32: { dtype: 'int32', bytes: 4, array: Int32Array },
  I64: { dtype: 'int64', bytes: 8, array: BigInt64Array },
};

/** The reference implementation's limit; it keeps a hostile length from taking all memory. */
const longestHeader = 100_000_000;

/** An open file: the header is read and checked, tensors are read one at a time. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    readonly metadata: ReadonlyMap<string, string>,
    readonly entries: ReadonlyMap<string, SafetensorsEntry>,
    private readonly file: FileHandle,
  ) {}

  /**
   * Opens a file and checks its whole header against its length.
   * @throws FormatError when the file is not a safetensors file, or is truncated.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw new StriateError('INVALID_ARGUMENT', `cannot open ${path}: ${reasonOf(cause)}`, {
        remedy: 'Name an existing safetensors file that can be read.',
        cause,
      });
    });
    try {
      const { size } = await file.stat();
      const header = await readHeader(path, file, size);
      return new SafetensorsFile(path, header.metadata, header.entries, file);
    } catch (error) {
      await file.close();
      if (error instanceof StriateError) throw error;
      throw new FormatError(`${path}: cannot be read: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Reads one tensor into memory of its own. */
  async read(name: string): Promise<HostTensor> {
    const entry = this.entries.get(name);
    if (!entry) throw refuse(this.path, `there is no tensor ${JSON.stringify(name)}`);
    const bytes = new Uint8Array(entry.end - entry.begin);
    await readExactly(this.path, this.file, bytes, entry.begin);
    const kind = kindOf(entry.dtype);
    return { dtype: entry.dtype, shape: entry.shape, data: new kind.array(bytes.buffer) };
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

/** Reads a whole file. @throws FormatError */
export async function readSafetensors(
  path: string,
): Promise<{ metadata: ReadonlyMap<string, string>; tensors: Map<string, HostTensor> }> {
  const file = await SafetensorsFile.open(path);
  try {
    const tensors = new Map<string, HostTensor>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return { metadata: file.metadata, tensors };
  } finally {
    await file.close();
  }
}

/**
 * Writes a file. Tensors lie in the order of their element size, the largest first, and each starts at
 * a multiple of it; the file appears whole or not at all.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const order = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      kindOf(b.dtype).bytes - kindOf(a.dtype).bytes || (nameA < nameB ? -1 : 1),
  );
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', metadata]);
  let end = 0;
  for (const [name, tensor] of order) {
    const begin = end;
    end += checkTensor(name, tensor);
    header.push([
      name,
      { dtype: codeOf(tensor.dtype), shape: tensor.shape, data_offsets: [begin, end] },
    ]);
  }
  const json = Buffer.from(objectText(header));
  const padding = (8 - (json.length % 8)) % 8;
  const start = Buffer.alloc(8 + json.length + padding, ' ');
  start.writeBigUInt64LE(BigInt(json.length + padding));
  json.copy(start, 8);
  if (start.length - 8 > longestHeader)
    throw new StriateError('INVALID_ARGUMENT', `${path}: the header would exceed 100 MB`, {
      remedy: 'Write fewer tensors or less metadata into one file.',
    });
  await writeAtomically(path, async (file) => {
    await writeAll(file, start);
    for (const [, { data }] of order)
      await writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
}

/** An object literal from entries; unlike a plain object it keeps the order and any name. */
function objectText(entries: readonly [string, unknown][]): string {
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
}

function checkTensor(name: string, { dtype, shape, data }: HostTensor): number {
  const elements = shape.reduce((a, b) => a * b, 1);
  if (name === '__metadata__' || name === '')
    throw new StriateError('INVALID_ARGUMENT', `a tensor cannot be called ${JSON.stringify(name)}`);
  if (!(data instanceof kindOf(dtype).array) || data.length !== elements)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `${name}: ${dtype} [${shape.join(', ')}] needs ${elements} elements, the array has ${data.length}`,
      { remedy: 'Give an array of the tensor’s type and length.' },
    );
  return data.byteLength;
}

async function readHeader(
  path: string,
  file: FileHandle,
  size: number,
): Promise<{ metadata: Map<string, string>; entries: Map<string, SafetensorsEntry> }> {
  if (size < 8) throw refuse(path, `has ${size} bytes, the header length alone takes 8`);
  const lengthBytes = new Uint8Array(8);
  await readExactly(path, file, lengthBytes, 0);
  const declared = Buffer.from(lengthBytes.buffer).readBigUInt64LE();
  if (declared > BigInt(longestHeader))
    throw refuse(path, `the header would take ${declared} bytes, more than ${longestHeader}`);
  const length = Number(declared);
  if (8 + length > size)
    throw refuse(path, `the header ends at byte ${8 + length}, the file at byte ${size}`);
  const text = new Uint8Array(length);
  await readExactly(path, file, text, 8);
  return parseHeader(path, text, size - 8 - length);
}

/** Checks everything that a reader relies on: names, types, shapes, and that the ranges tile the data. */
function parseHeader(
  path: string,
  text: Uint8Array,
  dataBytes: number,
): { metadata: Map<string, string>; entries: Map<string, SafetensorsEntry> } {
  const header = parseJson(path, text);
  if (!isRecord(header)) throw refuse(path, 'the header is not a JSON object');
  const metadata = new Map<string, string>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  const entries = new Map<string, SafetensorsEntry>();
  const start = 8 + text.length;
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, item] of readMetadata(path, value)) metadata.set(key, item);
      continue;
    }
    const entry = readEntry(path, name, value);
    ranges.push({ name, begin: entry.begin, end: entry.end });
    entries.set(name, { ...entry, begin: start + entry.begin, end: start + entry.end });
  }
  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of ranges) {
    if (begin !== at)
      throw refuse(
        path,
        `${JSON.stringify(name)} starts at byte ${begin} of the data, expected ${at}`,
      );
    at = end;
  }
  if (at !== dataBytes)
    throw refuse(path, `the tensors take ${at} bytes, the file holds ${dataBytes} bytes of data`);
  return { metadata, entries };
}

function parseJson(path: string, text: Uint8Array): unknown {
  if (text[0] !== 0x7b) throw refuse(path, 'the header does not start with "{"');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (cause) {
    throw refuse(path, `the header is not JSON (${reasonOf(cause)})`, cause);
  }
}

function readMetadata(path: string, value: unknown): [string, string][] {
  if (!isRecord(value)) throw refuse(path, '__metadata__ is not an object');
  return Object.entries(value).map(([key, item]) => {
    if (typeof item !== 'string') throw refuse(path, `__metadata__.${key} is not a string`);
    return [key, item];
  });
}

/** One tensor's entry, its range counted from the start of the data. */
function readEntry(path: string, name: string, value: unknown): SafetensorsEntry {
  const what = `tensor ${JSON.stringify(name)}`;
  if (!isRecord(value)) throw refuse(path, `${what} is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const kind = typeof dtype === 'string' && Object.hasOwn(kinds, dtype) ? kinds[dtype] : undefined;
  if (!kind)
    throw refuse(
      path,
      `${what} has the type ${JSON.stringify(dtype)}; F32, F64, U8, I32 and I64 are read`,
    );
  if (!Array.isArray(shape) || !shape.every(isSize))
    throw refuse(path, `${what} has a shape that is not a list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw refuse(path, `${what} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((a: number, b: number) => a * b, kind.bytes);
  if (!Number.isSafeInteger(bytes) || begin > end || end - begin !== bytes)
    throw refuse(
      path,
      `${what} [${shape.join(', ')}] takes ${bytes} bytes, its range ${begin} to ${end}`,
    );
  return { dtype: kind.dtype, shape, begin, end };
}

async function readExactly(
  path: string,
  file: FileHandle,
  into: Uint8Array,
  position: number,
): Promise<void> {
  const piece = 2 ** 26;
  for (let at = 0; at < into.length;) {
    const length = Math.min(piece, into.length - at);
    const { bytesRead } = await file.read(into, at, length, position + at);
    if (bytesRead === 0) throw refuse(path, `ends at byte ${position + at}, within its contents`);
    at += bytesRead;
  }
}

function codeOf(dtype: HostDType): string {
  for (const [code, kind] of Object.entries(kinds)) if (kind.dtype === dtype) return code;
  throw new StriateError(
    'INVALID_ARGUMENT',
    `${dtype as string} is no element type of safetensors`,
  );
}

function kindOf(dtype: HostDType): Kind {
  return kinds[codeOf(dtype)] as Kind;
}

function refuse(path: string, message: string, cause?: unknown): FormatError {
  return new FormatError(`${path}: ${message}`, {
    remedy: 'The file is damaged, truncated, or no safetensors file; get or write it again.',
    cause,
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
