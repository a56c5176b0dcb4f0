import { open } from 'node:fs/promises';
import { StriateError } from '../errors.js';

/** Records of one length in several files, one behind the other. */
export interface RecordFiles {
  readonly paths: readonly string[];
  /** Records of each file. */
  readonly counts: readonly number[];
  readonly recordBytes: number;
  readonly length: number;
}

/**
 * Measures files of records.
 * @throws StriateError `INVALID_DATA` for a file that cannot be read or ends within a record.
 */
export async function recordFiles(
  paths: readonly string[],
  recordBytes: number,
): Promise<RecordFiles> {
  const counts: number[] = [];
  for (const path of paths) {
    const bytes = await opened(path, async (file) => (await file.stat()).size);
    if (bytes % recordBytes !== 0 || bytes === 0)
      throw new StriateError(
        'INVALID_DATA',
        `${path} has ${bytes} bytes, which is no whole number of records of ${recordBytes}`,
        { remedy: 'The file is damaged, or of another kind; get it again.', details: { path } },
      );
    counts.push(bytes / recordBytes);
  }
  return { paths, counts, recordBytes, length: counts.reduce((sum, count) => sum + count, 0) };
}

/**
 * Calls `take(record, i)` for the i-th of these indices, in any order. Reads just these records, and
 * holds no file open between two calls.
 * @throws StriateError `INVALID_DATA` when a file has become shorter; `INVALID_ARGUMENT` for an index
 *   beyond the last; `CANCELLED` after an abort.
 */
export async function readRecords(
  { paths, counts, recordBytes, length }: RecordFiles,
  indices: Uint32Array,
  signal: AbortSignal | undefined,
  take: (record: Uint8Array, i: number) => void,
): Promise<void> {
  const wanted = paths.map((): { i: number; record: number }[] => []);
  indices.forEach((index, i) => {
    if (index >= length)
      throw new StriateError('INVALID_ARGUMENT', `there is no sample ${index} of ${length}`);
    let file = 0;
    let record = index;
    for (; record >= counts[file]!; ++file) record -= counts[file]!;
    wanted[file]!.push({ i, record });
  });
  const bytes = new Uint8Array(recordBytes);
  for (const [f, records] of wanted.entries()) {
    if (records.length === 0) continue;
    const path = paths[f]!;
    await opened(path, async (file) => {
      for (const { i, record } of records) {
        if (signal?.aborted)
          throw new StriateError('CANCELLED', 'reading was cancelled', { cause: signal.reason });
        const { bytesRead } = await file.read(bytes, 0, recordBytes, record * recordBytes);
        if (bytesRead < recordBytes)
          throw new StriateError('INVALID_DATA', `${path} ends within record ${record}`, {
            remedy: 'The file has changed since it was opened; get it again.',
            details: { path, record },
          });
        take(bytes, i);
      }
    });
  }
}

async function opened<T>(
  path: string,
  work: (file: Awaited<ReturnType<typeof open>>) => Promise<T>,
): Promise<T> {
  let file;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    throw new StriateError('INVALID_DATA', `${path} cannot be opened`, {
      remedy: 'Look whether the file is there and may be read.',
      details: { path },
      cause,
    });
  }
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}
