import { StriateError } from '../errors.js';
import type { DType } from './program.js';

/** How images become the network's input: `(x * scale - mean) / std`, mean and std by channel. */
export interface Preprocess {
  scale?: number;
  mean?: number | readonly number[];
  std?: number | readonly number[];
}

/** Bytes are brought to [0, 1]; other images are taken as they are. */
export function defaultPreprocess(inputDtype: DType): Preprocess {
  return inputDtype === 'uint8' ? { scale: 1 / 255 } : {};
}

/** One number a channel; undefined where the step would change nothing. */
export function perChannel(
  name: 'mean' | 'std',
  value: number | readonly number[] | undefined,
  channels: number,
): number[] | undefined {
  const neutral = name === 'mean' ? 0 : 1;
  if (value === undefined) return undefined;
  const values = typeof value === 'number' ? new Array<number>(channels).fill(value) : [...value];
  if (values.length !== channels)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `preprocess.${name} has ${values.length} numbers, the input has ${channels} channels`,
      { remedy: `give one number, or one for each of the ${channels} channels` },
    );
  const bad = values.find((v) => !Number.isFinite(v) || (name === 'std' && v === 0));
  if (bad !== undefined)
    throw new StriateError('INVALID_ARGUMENT', `preprocess.${name} holds ${bad}`, {
      remedy: name === 'std' ? 'every std is finite and not zero' : 'every mean is finite',
    });
  return values.every((v) => v === neutral) ? undefined : values;
}
