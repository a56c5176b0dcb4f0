import type { Command } from 'commander';
import type { Shape } from '../graph/shape.js';
import type { Precision } from '../program/precision.js';
import type { DeviceName } from '../runtime/device.js';
import { load, type Classification } from '../training/model.js';
import { endsOf } from '../training/ends.js';
import { addCommand, outputFor, type CommonOptions } from './command.js';
import { openDevice } from './device.js';
import { readImage } from './image.js';
import { count, shared } from './options.js';

interface PredictOptions extends CommonOptions {
  top: number;
  device: DeviceName;
  threads?: number;
  precision?: Precision;
}

const batch = 16;

export function addPredict(program: Command): void {
  addCommand(program, 'predict', 'what a trained network sees in images')
    .argument('<checkpoint>', 'a file that train wrote')
    .argument('<images...>', 'JPEG, PNG, WebP, GIF, TIFF or AVIF files')
    .option('--top <n>', 'classes to show for an image', count, 5)
    .addOption(shared.device())
    .addOption(shared.precision('the checkpoint’s where the device runs it, else float32'))
    .addOption(shared.threads())
    .action(predict);
}

async function predict(
  checkpoint: string,
  files: readonly string[],
  options: PredictOptions,
): Promise<void> {
  const output = outputFor(options);
  await using device = await openDevice(options, output);
  await using model = await load(checkpoint, {
    device,
    batch,
    ...(options.precision === undefined ? {} : { precision: options.precision }),
  });
  const shape = endsOf(model.network).input;
  const predictions: { file: string; classes: Classification[] }[] = [];
  for (let from = 0; from < files.length; from += batch) {
    const some = files.slice(from, from + batch);
    const classes = await model.classify(await readImages(some, shape), { top: options.top });
    classes.forEach((found, i) => predictions.push({ file: some[i]!, classes: found }));
  }
  const lines = predictions.flatMap(({ file, classes }) => [
    file,
    ...classes.map(
      ({ label, probability }) => `  ${(100 * probability).toFixed(2).padStart(6)} %  ${label}`,
    ),
  ]);
  output.result({ predictions, device: device.name }, lines.join('\n'));
}

/** The images one behind the other: `[n, height, width, channels]` bytes. */
async function readImages(files: readonly string[], shape: Shape): Promise<Uint8Array> {
  const images = await Promise.all(files.map((file) => readImage(file, shape)));
  return Buffer.concat(images);
}
