import type { Command } from 'commander';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { check, type CheckReport, type DataFinding } from '../data/index.js';
import { manifestName, parseManifest } from '../data/shards/pack.js';
import { table } from '../reports/table.js';
import { Bar } from './bar.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { writeContactSheet } from './contact-sheet.js';
import { imagesArgument, openImages, type ImagePart } from './images.js';
import { Interruption } from './interruption.js';
import { count } from './options.js';

interface CheckCommandOptions extends CommonOptions {
  sheet?: string;
  each: number;
  workers?: number;
}

export function addData(program: Command): void {
  const data = program
    .command('data')
    .summary('looks at data sets')
    .description('Looks at data sets.')
    .helpCommand(false);
  addCommand(data, 'check', 'find broken and mislabelled images, count classes')
    .argument('<images>', imagesArgument)
    .option('--sheet <file>', 'write a contact sheet: some images of every class, as PNG')
    .option('--each <n>', 'images of a class on the sheet', count, 8)
    .option('--workers <n>', 'images at a time (default: the cores)', count)
    .addHelpText(
      'after',
      `
Examples:
  striate data check photos --sheet sheet.png
  striate data check shards/train
  striate data check 'https://host/train-{000..123}.tar'

Every image is decoded once. An image counts as mislabelled when its path names another class, or
when the same file stands under two classes. Of shards the checksums are compared with those of
manifest.json. Exit code 1 when something is broken.`,
    )
    .action(checkImages);
}

interface PartReport {
  part: string;
  images: number;
  classes: CheckReport['classes'];
  broken: readonly DataFinding[];
  mislabelled: readonly DataFinding[];
}

async function checkImages(name: string, options: CheckCommandOptions): Promise<void> {
  const output = outputFor(options);
  using interruption = new Interruption((signal) => output.note(`${signal}: ending`));
  const { signal } = interruption;
  const reports: PartReport[] = [];
  const thumbnails: CheckReport['thumbnails'][number][] = [];
  const parts = await openImages(name, { size: 64, onError: 'skip' });
  try {
    for (const part of parts) {
      using bar = await Bar.open(`check ${part.name}`.trim());
      const sums = await wrongSums(join(name, part.name), signal);
      const found = await check(part.set, {
        root: part.root,
        thumbnails: options.sheet === undefined || reports.length > 0 ? 0 : options.each,
        ...(options.workers === undefined ? {} : { workers: options.workers }),
        signal,
        onProgress: (done, total) => bar.update(done, total),
      });
      thumbnails.push(...found.thumbnails);
      reports.push(reportOf(part, found, sums));
    }
  } catch (error) {
    if (interruption.exitCode === undefined) throw error;
    process.exitCode = interruption.exitCode;
    output.result({ parts: reports, interrupted: true }, 'not complete');
    return;
  }
  const sheet = options.sheet ?? null;
  if (sheet !== null)
    await writeContactSheet(sheet, parts[0]!.set.classes, thumbnails, options.each);
  output.result({ parts: reports, sheet, interrupted: false }, describe(reports, sheet));
  if (reports.some(({ broken }) => broken.length > 0)) process.exitCode = 1;
}

function reportOf(
  { name }: ImagePart,
  { images, classes, broken, mislabelled }: CheckReport,
  sums: readonly DataFinding[],
): PartReport {
  return { part: name, images, classes, broken: [...sums, ...broken], mislabelled };
}

/** Shards that differ from the manifest beside them. */
async function wrongSums(folder: string, signal: AbortSignal): Promise<DataFinding[]> {
  const text = await readFile(join(folder, manifestName), 'utf8').catch(() => undefined);
  const manifest = text === undefined ? undefined : parseManifest(text);
  const wrong: DataFinding[] = [];
  for (const { file, sha256 } of manifest?.shards ?? []) {
    const name = join(folder, file);
    const hash = createHash('sha256');
    try {
      for await (const piece of createReadStream(name, { signal })) hash.update(piece as Buffer);
      if (hash.digest('hex') === sha256) continue;
      wrong.push({ name, reason: `has another checksum than ${manifestName} says` });
    } catch (error) {
      if (signal.aborted) throw error;
      wrong.push({ name, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return wrong;
}

/** Lines of a kind that are shown; all are in the JSON. */
const shown = 50;

function describe(reports: readonly PartReport[], sheet: string | null): string {
  const findings = (title: string, list: readonly DataFinding[]): string[] => [
    ...list.slice(0, shown).map(({ name, reason }) => `${title}: ${name}: ${reason}`),
    ...(list.length > shown ? [`${title}: ${list.length - shown} more; --json lists all`] : []),
  ];
  const sections = reports.map(({ part, images, classes, broken, mislabelled }) => {
    const rows = classes.map(({ name, count: n }) => [name.slice(0, 60), String(n)]);
    return [
      ...(part === '' ? [] : [`${part}:`]),
      table(['class', 'images'], rows, ['all', String(images)], ['left', 'right']),
      ...findings('broken', broken),
      ...findings('mislabelled?', mislabelled),
      `${broken.length} broken, ${mislabelled.length} perhaps mislabelled`,
    ].join('\n');
  });
  return [...sections, ...(sheet === null ? [] : [`contact sheet: ${sheet}`])].join('\n\n');
}
