import { StriateError } from '../errors.js';
import type { TargetDevice } from './op.js';

/**
 * How numbers are kept and multiplied. `'float32'` and `'float64'`: everything in this type. `'tf32'`:
 * float32, but convolutions and dense layers multiply with 10 bits of fraction. `'bfloat16'` and
 * `'float16'`: activations, their gradients and the copies of the weights that are multiplied take 16
 * bits each; sums, parameters and their gradients, the optimizer, statistics and the loss stay float32.
 */
export type Precision = 'float32' | 'float64' | 'tf32' | 'bfloat16' | 'float16';

export const precisions: readonly Precision[] = [
  'float32',
  'float64',
  'tf32',
  'bfloat16',
  'float16',
];

export type ComputeType = 'float32' | 'float64';

/** What volumes are stored in. */
export type StorageType = ComputeType | 'bfloat16' | 'float16';

/** The type of parameters, sums, statistics and losses. */
export function computeTypeOf(precision: Precision): ComputeType {
  return precision === 'float64' ? 'float64' : 'float32';
}

/** The type of activations and their gradients. */
export function storageTypeOf(precision: Precision): StorageType {
  return precision === 'tf32' ? 'float32' : precision;
}

/** Whether a kind of device runs programs of this precision. */
export function runsOn(precision: Precision, device: TargetDevice): boolean {
  if (precision === 'float32') return true;
  return (precision === 'float64') === (device === 'cpu');
}

/** @throws StriateError `INVALID_ARGUMENT` for a word that is no precision. */
export function requirePrecision(precision: unknown): asserts precision is Precision {
  if (precisions.some((known) => known === precision)) return;
  throw new StriateError('INVALID_ARGUMENT', `precision is ${JSON.stringify(precision)}`, {
    remedy: `Give one of ${precisions.join(', ')}.`,
  });
}

/** @throws StriateError `INVALID_ARGUMENT` where the kind of device has no such arithmetic. */
export function requireRuns(precision: Precision, device: TargetDevice): void {
  if (runsOn(precision, device)) return;
  throw new StriateError(
    'INVALID_ARGUMENT',
    device === 'cpu'
      ? `the CPU device computes in float32 and float64, not in ${precision}`
      : `CUDA devices compute in float32, tf32, bfloat16 and float16, not in ${precision}`,
    {
      remedy:
        device === 'cpu'
          ? "Use precision 'float32', or a CUDA device: device: 'cuda'."
          : "Use precision 'float32', or the device 'cpu', which computes in float64 as well.",
    },
  );
}
