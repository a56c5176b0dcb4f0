import { StriateError } from '../errors.js';
import {
  SafetensorsFile,
  writeSafetensors,
  type HostData,
  type HostDType,
  type HostTensor,
} from '../formats/safetensors.js';

export type { HostData, HostDType, HostTensor };

/** Slots of an optimizer in a checkpoint: `optimizer/<slot>/<parameter>`. */
export const slotPrefix = 'optimizer/';

/** Named host arrays: parameters and running statistics, by name (`conv1.w`). */
export class Weights extends Map<string, HostTensor> {
  /** Number of values in all arrays. */
  get elements(): number {
    let sum = 0;
    for (const { data } of this.values()) sum += data.length;
    return sum;
  }
}

/**
 * Reads the parameters and statistics of a safetensors file, a checkpoint's too; optimizer slots are
 * left out.
 * @throws FormatError when the file is damaged or no safetensors file.
 */
export async function readWeights(path: string): Promise<Weights> {
  const file = await SafetensorsFile.open(path);
  try {
    const weights = new Weights();
    for (const name of file.entries.keys())
      if (!name.startsWith(slotPrefix)) weights.set(name, await file.read(name));
    return weights;
  } finally {
    await file.close();
  }
}

/** Writes arrays as safetensors; the file appears whole or not at all. */
export async function writeWeights(
  path: string,
  weights: ReadonlyMap<string, HostTensor>,
): Promise<void> {
  await writeSafetensors(path, weights);
}

/** The values as another floating-point type; the same array when nothing changes. */
export function convertData(
  name: string,
  data: HostData,
  dtype: 'float32' | 'float64',
): Float32Array | Float64Array {
  if (data instanceof Float32Array) return dtype === 'float32' ? data : Float64Array.from(data);
  if (data instanceof Float64Array) return dtype === 'float64' ? data : Float32Array.from(data);
  throw new StriateError(
    'INVALID_ARGUMENT',
    `${name} holds integers, parameters are floating-point`,
    {
      remedy: 'Store the weights as float32 or float64.',
    },
  );
}
