import { open, stat } from 'node:fs/promises';
import { CancelledError, StriateError } from '../../errors.js';

/**
 * A file that is read in pieces from anywhere: on a disk, or behind HTTP.
 * @internal
 */
export interface RandomBytes {
  readonly name: string;
  /** Length and, where it is known, when the file was last changed. */
  describe(signal?: AbortSignal): Promise<FileState>;
  /** Exactly these bytes. @throws StriateError `INVALID_DATA` when they cannot be had. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer>;
  /** The whole of a small file beside this one; undefined where there is none. */
  beside(name: string, signal?: AbortSignal): Promise<Buffer | undefined>;
}

export interface FileState {
  readonly bytes: number;
  /** Milliseconds since 1970; null where it is not told. */
  readonly modified: number | null;
}

/** No image is as large; what is beside a shard is not either. */
export const mostBytes = 2 ** 30;

/**
 * A file on a disk. It is open only while it is read.
 * @internal
 */
export class LocalFile implements RandomBytes {
  constructor(readonly name: string) {}

  async describe(): Promise<FileState> {
    const { size, mtimeMs } = await this.guarded(() => stat(this.name));
    return { bytes: size, modified: Math.floor(mtimeMs) };
  }

  read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    return this.guarded(async () => {
      const file = await open(this.name, 'r');
      try {
        const bytes = Buffer.allocUnsafeSlow(length);
        for (let at = 0; at < length;) {
          if (signal?.aborted)
            throw new CancelledError('reading was aborted', { cause: signal.reason });
          const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
          if (bytesRead === 0)
            throw new Error(`the file ends at ${offset + at}, before ${offset + length}`);
          at += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    });
  }

  async beside(name: string): Promise<Buffer | undefined> {
    const other = new LocalFile(name);
    const found = await stat(name).catch(() => undefined);
    if (found?.isFile() !== true || found.size > mostBytes) return undefined;
    return other.read(0, found.size);
  }

  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof StriateError) throw cause;
      throw new StriateError(
        'INVALID_DATA',
        `${this.name}: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          remedy: 'Look whether the file is there, may be read, and is whole.',
          details: { path: this.name },
          cause,
        },
      );
    }
  }
}
