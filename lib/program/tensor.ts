import type { Category, DType } from './program.js';

/** A buffer to be: the planner decides where it lies. Sizes in elements, affine in the batch n. */
export interface Storage {
  readonly id: number;
  name: string;
  dtype: DType;
  category: Category;
  fixed: number;
  perImage: number;
  /** For slabs and constants, set by who made them; undefined: the arena. */
  region?: 'parameters' | 'gradients' | 'optimizer' | 'state' | 'constants' | 'input';
}

/** A value while a program is built: a view of a storage. Shapes leave the batch out. */
export interface Tensor {
  storage: Storage;
  /** Extents after the batch: [h, w, c], [c], [] when batched; all extents otherwise. */
  shape: readonly number[];
  batched: boolean;
  dtype: DType;
  /** Elements between neighbours on the axis before the last. */
  pitch: number;
  /** Elements from the start of the storage (a channel offset, a range of a slab). */
  offset: number;
}
