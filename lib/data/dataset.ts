import { StriateError } from '../errors.js';
import { elementsOf, type Shape } from '../graph/shape.js';

export type ImageArray = Uint8Array | Float32Array;
export type TargetArray = Int32Array | Float32Array;

/** Where a data set writes samples: one behind the other from the start of each array. */
export interface SampleArrays {
  /** `[n, height, width, channels]` of the set's `dtype`. */
  x: ImageArray;
  /** `[n, ...target.shape]`; class indices (int32) unless the set says otherwise. */
  target: TargetArray;
}

/** What is learned: a class index a sample, or numbers of a shape. */
export interface TargetKind {
  dtype: 'int32' | 'float32';
  shape: Shape;
}

/** Which time a sample is read: with its index all that random changes of it may depend on. */
export interface DataPass {
  seed: number;
  epoch: number;
}

/** Samples by number. Images are `[height, width, channels]`, values as stored (bytes 0 to 255). */
export interface Dataset {
  /** Number of samples; `Infinity` where only the end of a stream tells it. */
  readonly length: number;
  readonly shape: Shape;
  readonly dtype: 'uint8' | 'float32';
  /** Names of the classes, by index. */
  readonly classes?: readonly string[];
  /** Absent: one class index a sample. */
  readonly target?: TargetKind;
  /** Samples that are read at a time, where that is a choice; for advice. */
  readonly workers?: number;
  /** True for streams: samples can be had in their own order only, from 0 on. */
  readonly sequential?: boolean;
  /**
   * Writes the samples of these indices into the arrays, in this order. Returns how many there were
   * when a stream ends before; nothing when all. `pass` is for sets that change samples at random.
   */
  read(
    indices: Uint32Array,
    into: SampleArrays,
    signal?: AbortSignal,
    pass?: DataPass,
  ): Promise<number | void> | number | void;
}

/** What a data set without a `target` gives: one class index a sample. */
export const classIndex: TargetKind = { dtype: 'int32', shape: [] };

export function targetOf(set: Dataset): TargetKind {
  return set.target ?? classIndex;
}

/** Asserts a data set. @throws StriateError `INVALID_ARGUMENT` */
export function checkDataset(set: Partial<Dataset> | null | undefined): void {
  const sound =
    typeof set?.read === 'function' && typeof set.length === 'number' && Array.isArray(set.shape);
  if (sound && (set.dtype === 'uint8' || set.dtype === 'float32')) return;
  throw new StriateError('INVALID_ARGUMENT', 'this is no data set', {
    remedy: 'Give { length, shape, dtype, read }, for example from fromArrays() or data.mnist().',
  });
}

/** Arrays for n samples of a set. */
export function sampleArrays(set: Dataset, n: number): SampleArrays {
  const { dtype, shape } = targetOf(set);
  const x = n * elementsOf(set.shape);
  const target = n * elementsOf(shape);
  return {
    x: set.dtype === 'uint8' ? new Uint8Array(x) : new Float32Array(x),
    target: dtype === 'int32' ? new Int32Array(target) : new Float32Array(target),
  };
}
