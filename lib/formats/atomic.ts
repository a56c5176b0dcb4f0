import { randomBytes } from 'node:crypto';
import { open, realpath, rename, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StriateError } from '../errors.js';

/**
 * Writes a file so that its place holds either the old contents or all of the new: beside it, synced,
 * renamed, the folder synced.
 */
export async function writeAtomically(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  if (typeof path !== 'string') throw cannotWrite(String(path), 'this is no path');
  const place = await realpath(path).catch(() => path);
  const folder = dirname(place);
  const beside = join(folder, `.${basename(place)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(beside, 'wx');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, place);
    await syncFolder(folder);
  } catch (error) {
    await unlink(beside).catch(() => undefined);
    throw error instanceof StriateError ? error : cannotWrite(path, error);
  }
}

/** Writes all bytes from where the file stands, in pieces that one system call takes. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  const piece = 2 ** 24;
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(piece, bytes.length - at));
    at += bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function cannotWrite(path: string, cause: unknown): StriateError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StriateError('INVALID_ARGUMENT', `cannot write ${path}: ${reason}`, {
    remedy: 'Name a file in an existing folder that can be written and has room.',
    cause,
  });
}
