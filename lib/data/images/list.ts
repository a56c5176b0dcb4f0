import { createReadStream } from 'node:fs';
import { dirname, extname, isAbsolute } from 'node:path';
import { createInterface } from 'node:readline';
import { StriateError } from '../../errors.js';
import { invalid } from '../../graph/options.js';
import { fileSet, FileSource, namedOptions, type ImageFolder } from './folder.js';
import { readImageOptions, type ImageSetOptions } from './set.js';
import { ClassNumbers } from './source.js';

export interface ImageListOptions extends ImageSetOptions {
  /** What relative paths are relative to; default the list's own folder. */
  root?: string;
  /** Names of the classes in their order. Default: the labels, sorted, or numbers from 0 to the largest. */
  classes?: readonly string[];
}

/** One image of a list. */
interface Row {
  path: string;
  label: string;
}

const pathNames = ['path', 'file', 'filename', 'file_name', 'image'];
const labelNames = ['label', 'class', 'target'];

/**
 * Image files by a list. `.csv`: a path and a label a line, quoted where they hold commas, with or without a
 * first line of names (`path` or `file`, `label` or `class`; more columns are left alone). `.jsonl`: an object
 * a line with `path` or `file` and `label` or `class`. A label is a class by name or by number.
 *
 * @throws StriateError `INVALID_DATA` naming the line: of a list that cannot be read, a line without path or
 *   label, a class that is not among `classes`; on reading, for a file that does not decode (`onError`).
 */
export async function imageList(path: string, options: ImageListOptions): Promise<ImageFolder> {
  const where = 'data.imageList';
  const { root, classes, ...images } = namedOptions(where, options, ['root']);
  readImageOptions(where, images);
  const rows = rowsOf(path);
  const source =
    classes === undefined
      ? await namedByList(path, rows, root)
      : await namedBefore(path, rows, root, classes);
  if (source.length === 0)
    throw new StriateError('INVALID_DATA', `${path} names no image`, {
      remedy: 'Write a line for each: path,label.',
      details: { path },
    });
  return fileSet(where, source, images);
}

async function namedBefore(
  path: string,
  rows: AsyncIterable<[Row, number]>,
  root: string | undefined,
  classes: readonly string[],
): Promise<FileSource> {
  const numbers = new ClassNumbers(classes);
  const source = new FileSource('', classes);
  const place = placeFor(path, root);
  for await (const [row, line] of rows)
    source.add(place(row.path), numbers.of(row.label, `${path}, line ${line},`));
  return source;
}

/** The classes are known at the end of the list: until then a label is the number of its text. */
async function namedByList(
  path: string,
  rows: AsyncIterable<[Row, number]>,
  root: string | undefined,
): Promise<FileSource> {
  const found = new Map<string, number>();
  const unnamed = new FileSource('', []);
  const place = placeFor(path, root);
  for await (const [row, line] of rows) {
    if (row.label === '')
      throw badLine(path, line, 'has no label', 'Write a path and a label in every line.');
    const number = found.get(row.label) ?? found.size;
    found.set(row.label, number);
    unnamed.add(place(row.path), number);
  }
  const classes = classNames([...found.keys()]);
  const numbers = new ClassNumbers(classes);
  return unnamed.named(
    classes,
    [...found.keys()].map((label) => numbers.of(label, path)),
  );
}

/** Labels in digits are numbers, and name the classes 0 to the largest; others are names, sorted. */
export function classNames(labels: readonly string[]): string[] {
  if (!labels.every((label) => /^\d{1,6}$/.test(label))) return [...labels].sort();
  const largest = labels.reduce((most, label) => Math.max(most, Number(label)), -1);
  return Array.from({ length: largest + 1 }, (_, number) => String(number));
}

function placeFor(list: string, root: string | undefined): (path: string) => string {
  const folder = root ?? dirname(list);
  return (path) => (isAbsolute(path) ? path : `${folder}/${path}`);
}

async function* rowsOf(path: string): AsyncGenerator<[Row, number]> {
  const ending = extname(path).toLowerCase();
  if (ending === '.csv') yield* csvRows(path);
  else if (ending === '.jsonl' || ending === '.ndjson') yield* jsonRows(path);
  else throw invalid(`${path} is neither .csv nor .jsonl`, 'Name the list so.');
}

async function* csvRows(path: string): AsyncGenerator<[Row, number]> {
  let columns: [path: number, label: number] | undefined;
  for await (const [cells, line] of csvCells(path)) {
    if (columns === undefined) {
      const names = cells.map((cell) => cell.trim().toLowerCase());
      const found = [pathNames, labelNames].map((known) =>
        names.findIndex((name) => known.includes(name)),
      ) as [number, number];
      const named = found.every((column) => column >= 0);
      columns = named ? found : [0, 1];
      if (named) continue;
    }
    const [file, label] = [cells[columns[0]]?.trim(), cells[columns[1]]?.trim()];
    if (!file || label === undefined)
      throw badLine(path, line, 'has no path and label', 'Write: path,label.');
    yield [{ path: file, label }, line];
  }
}

/** RFC 4180; a quoted cell may go over several lines. */
async function* csvCells(path: string): AsyncGenerator<[string[], number]> {
  let before = '';
  let begin = 0;
  for await (const [text, line] of linesOf(path)) {
    if (before === '') begin = line;
    const whole = before === '' ? text : `${before}\n${text}`;
    if (whole.trim() === '') continue;
    if ((whole.match(/"/g)?.length ?? 0) % 2 === 1) {
      if (whole.length > 2 ** 16)
        throw badLine(path, begin, 'has a quote that does not end', 'Close it.');
      before = whole;
      continue;
    }
    before = '';
    const cells = [...whole.matchAll(/(?:^|,)(?:\s*"((?:[^"]|"")*)"\s*|([^,]*))(?=,|$)/g)];
    yield [cells.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? ''), begin];
  }
  if (before !== '') throw badLine(path, begin, 'has a quote that does not end', 'Close it.');
}

async function* jsonRows(path: string): AsyncGenerator<[Row, number]> {
  for await (const [text, line] of linesOf(path)) {
    if (text.trim() === '') continue;
    let found: Record<string, unknown> | null;
    try {
      found = JSON.parse(text) as Record<string, unknown> | null;
    } catch {
      throw badLine(path, line, 'is no JSON', 'Write an object a line.');
    }
    const pick = (names: readonly string[]): unknown =>
      names.map((name) => found?.[name]).find((value) => value !== undefined);
    const [file, label] = [pick(pathNames), pick(labelNames)];
    const isLabel = typeof label === 'string' || typeof label === 'number';
    if (typeof file !== 'string' || file === '' || !isLabel)
      throw badLine(
        path,
        line,
        'has no path and label',
        'Write: {"path": "a.jpg", "label": "cat"}.',
      );
    yield [{ path: file, label: String(label).trim() }, line];
  }
}

/** Lines with their numbers from 1, without the end of line and a mark of the byte order. */
export async function* linesOf(path: string): AsyncGenerator<[text: string, line: number]> {
  const input = createReadStream(path, 'utf8');
  let line = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Infinity }))
      yield [++line === 1 ? text.replace(/^\uFEFF/, '') : text, line];
  } catch (cause) {
    if (cause instanceof StriateError) throw cause;
    throw new StriateError('INVALID_DATA', `${path} cannot be read`, {
      remedy: 'Name a file that is there and may be read.',
      details: { path },
      cause,
    });
  } finally {
    input.destroy();
  }
}

function badLine(path: string, line: number, what: string, remedy: string): StriateError {
  return new StriateError('INVALID_DATA', `${path}, line ${line}, ${what}`, {
    remedy,
    details: { path, line },
  });
}
