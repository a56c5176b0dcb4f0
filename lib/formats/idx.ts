/**
 * IDX, the format of MNIST: two zero bytes, a type, the number of axes, their extents (big-endian), the
 * values. Source: http://yann.lecun.com/exdb/mnist/, "THE IDX FILE FORMAT".
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { StriateError } from '../errors.js';

export interface IdxArray {
  /** Extents, the first the number of samples. */
  shape: readonly number[];
  data: Uint8Array;
}

/**
 * Reads an IDX file of unsigned bytes, plain or gzipped.
 * @throws StriateError `INVALID_DATA` naming the file, what it holds and what it should.
 */
export async function readIdx(path: string): Promise<IdxArray> {
  const bytes = await unpack(path, await readWhole(path));
  if (bytes.length < 4) throw truncated(path, 4, bytes.length);
  if (bytes[0] !== 0 || bytes[1] !== 0)
    throw invalid(path, 'is no IDX file: it does not start with two zero bytes');
  const type = bytes[2] as number;
  const axes = bytes[3] as number;
  if (type !== 0x08)
    throw invalid(
      path,
      `holds values of type 0x${type.toString(16)}; unsigned bytes (0x08) are read`,
    );
  if (axes === 0) throw invalid(path, 'has no axes');
  const header = 4 + 4 * axes;
  if (bytes.length < header) throw truncated(path, header, bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  const values = shape.reduce((a, b) => a * b, 1);
  if (bytes.length !== header + values) throw truncated(path, header + values, bytes.length);
  return { shape, data: bytes.subarray(header) };
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new StriateError('INVALID_DATA', `cannot read ${path}: ${reasonOf(cause)}`, {
      remedy: 'Check that the file exists and can be read.',
      cause,
    });
  }
}

async function unpack(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: 2 ** 31 - 1 });
  } catch (cause) {
    throw invalid(path, `is gzipped and cannot be unpacked: ${reasonOf(cause)}`, cause);
  }
}

function truncated(path: string, expected: number, actual: number): StriateError {
  return new StriateError('INVALID_DATA', `${path}: expected ${expected} bytes, found ${actual}`, {
    remedy:
      actual < expected
        ? 'The file is truncated; get it again.'
        : 'The file is damaged; get it again.',
    details: { path, expected, actual },
  });
}

function invalid(path: string, message: string, cause?: unknown): StriateError {
  return new StriateError('INVALID_DATA', `${path} ${message}`, {
    remedy: 'Name an IDX file as MNIST’s, plain or gzipped.',
    details: { path },
    cause,
  });
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
