import { InvalidArgumentError, Option, type Command } from 'commander';
import { join } from 'node:path';
import { pack, type ShardManifest } from '../data/index.js';
import { CancelledError } from '../errors.js';
import { parseBytes } from '../program/plan.js';
import { Bar } from './bar.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { imagesArgument, openImages } from './images.js';
import { Interruption } from './interruption.js';
import { count } from './options.js';

interface PackCommandOptions extends CommonOptions {
  out: string;
  size: number;
  shardSize: number;
  format: 'jpeg' | 'raw';
  quality: number;
  onError: 'throw' | 'skip';
  workers?: number;
}

export function addPack(program: Command): void {
  addCommand(program, 'pack', 'write a folder of images as tar shards, made smaller')
    .argument('<images>', imagesArgument)
    .requiredOption(
      '--out <folder>',
      'where the shards go; train/ and val/ get folders of their own',
    )
    .option('--size <pixels>', 'of the shorter side of images that are larger', count, 256)
    .option('--shard-size <amount>', 'at which a shard is full: 512MB, 1GiB', amountOf, 512e6)
    .addOption(
      new Option('--format <name>', 'raw: pixels as PPM, larger and without decoding')
        .choices(['jpeg', 'raw'])
        .default('jpeg'),
    )
    .option('--quality <n>', 'of JPEG, 1 to 100', count, 90)
    .addOption(onErrorOption())
    .option('--workers <n>', 'images at a time (default: the cores)', count)
    .addHelpText(
      'after',
      `
Examples:
  striate pack photos --out shards
  striate pack imagenet --out shards --size 256 --shard-size 512MB
  striate train resnet50 --data shards

The folder holds a folder for each class, or train/ and val/ of such. Shards are tar files in the
WebDataset convention (0001.jpg, 0001.cls), in a mixed order that never changes. manifest.json
names them with their SHA-256. The same command goes on where an earlier one was ended, by Ctrl-C
or otherwise, and gives the same bytes.`,
    )
    .action(packImages);
}

export const onErrorOption = (): Option =>
  new Option('--on-error <what>', 'an image that does not decode: end, or leave it out and name it')
    .choices(['throw', 'skip'])
    .default('throw');

function amountOf(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('It is an amount such as 512MB, 1GiB or 800000.');
  }
}

/** What `--json` prints of each part. */
interface PartReport {
  part: string;
  out: string;
  images: number;
  classes: number;
  shards: number;
  bytes: number;
  broken: { name: string; reason: string }[];
}

async function packImages(images: string, options: PackCommandOptions): Promise<void> {
  const output = outputFor(options);
  using interruption = new Interruption((name) =>
    output.note(`${name}: ending; the same command goes on; once more to exit at once`),
  );
  const { out, size, shardSize, format, quality, onError, workers } = options;
  const parts: PartReport[] = [];
  try {
    for (const { name, set } of await openImages(images, { size, onError })) {
      const folder = join(out, name);
      using bar = await Bar.open(name === '' ? 'pack' : `pack ${name}`);
      const manifest = await pack(set, {
        ...{ out: folder, size, shardSize, format, quality, onError },
        ...(workers === undefined ? {} : { workers }),
        signal: interruption.signal,
        onProgress: ({ done, total, bytes }) =>
          bar.update(done, total, `${(bytes / 1e6).toFixed(0)} MB`),
      });
      parts.push(reportOf(name, folder, manifest));
    }
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
    output.note(error.message);
  }
  const interrupted = interruption.exitCode !== undefined;
  const lines = parts.map(
    (part) =>
      `${part.out}: ${part.images} images of ${part.classes} classes in ${part.shards} shards, ${(part.bytes / 1e6).toFixed(1)} MB` +
      (part.broken.length === 0 ? '' : `; ${part.broken.length} left out`),
  );
  const left = parts.flatMap(({ broken }) => broken.map(({ reason }) => `left out: ${reason}`));
  output.result(
    { parts, interrupted },
    [...lines, ...left, ...(interrupted ? ['not complete'] : [])].join('\n'),
  );
  if (interruption.exitCode !== undefined) process.exitCode = interruption.exitCode;
}

function reportOf(part: string, out: string, manifest: ShardManifest): PartReport {
  const { shards, broken, classes } = manifest;
  const sum = (key: 'samples' | 'bytes'): number =>
    shards.reduce((total, shard) => total + shard[key], 0);
  return {
    part,
    out,
    images: sum('samples'),
    classes: classes.length,
    shards: shards.length,
    bytes: sum('bytes'),
    broken: broken.map(([name, reason]) => ({ name, reason })),
  };
}
