import type { Storage, Tensor } from './tensor.js';

/** The product of the extents; 1 for a number. */
export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Elements of the last axis: the width of one row. */
export function rowOf(t: { shape: readonly number[] }): number {
  return t.shape.at(-1) ?? 1;
}

/** Elements: of one image when batched, of all otherwise. */
export function elementsOf(t: { shape: readonly number[] }): number {
  return product(t.shape);
}

/** Whether the elements follow one another without gaps. */
export function isDense(t: Tensor): boolean {
  return t.pitch === rowOf(t) || (!t.batched && elementsOf(t) === rowOf(t));
}

/** A dense view of `shape` at the start of the storage. */
export function denseView(
  storage: Storage,
  shape: readonly number[],
  batched: boolean,
  offset = 0,
): Tensor {
  return {
    storage,
    shape: [...shape],
    batched,
    dtype: storage.dtype,
    pitch: shape.at(-1) ?? 1,
    offset,
  };
}

/** The same elements under another shape, or undefined where gaps between the rows forbid it. */
export function reshapeView(t: Tensor, shape: readonly number[]): Tensor | undefined {
  if (isDense(t)) return { ...t, shape: [...shape], pitch: shape.at(-1) ?? 1 };
  if ((shape.at(-1) ?? 1) === rowOf(t)) return { ...t, shape: [...shape] };
  return undefined;
}

/** Channels [begin, begin + count) of a tensor. */
export function channelRange(t: Tensor, begin: number, count: number): Tensor {
  return { ...t, shape: [...t.shape.slice(0, -1), count], offset: t.offset + begin };
}

/** Whether a dense view takes up its whole storage. */
export function coversStorage(t: Tensor): boolean {
  const { storage } = t;
  const whole = t.batched
    ? storage.fixed === 0 && storage.perImage === elementsOf(t)
    : storage.perImage === 0 && storage.fixed === elementsOf(t);
  return whole && t.offset === 0 && isDense(t);
}

/**
 * Whether two views may have an element in common. Two channel ranges of one volume are told apart by
 * their channels, two ranges of a slab by their ends; anything else counts as an overlap.
 */
export function overlaps(a: Tensor, b: Tensor): boolean {
  if (a.storage !== b.storage) return false;
  if (a.batched && b.batched && a.pitch === b.pitch) {
    const [p, q] = [a.offset % a.pitch, b.offset % a.pitch];
    return p < q + rowOf(b) && q < p + rowOf(a);
  }
  if (!a.batched && !b.batched && isDense(a) && isDense(b))
    return a.offset < b.offset + elementsOf(b) && b.offset < a.offset + elementsOf(a);
  return true;
}

/** Whether two views are the same elements in the same order. */
export function sameElements(a: Tensor, b: Tensor): boolean {
  return (
    a.storage === b.storage &&
    a.offset === b.offset &&
    a.batched === b.batched &&
    elementsOf(a) === elementsOf(b) &&
    ((isDense(a) && isDense(b)) || (a.pitch === b.pitch && rowOf(a) === rowOf(b)))
  );
}

/** Numbers as the bytes of a constant. */
export function floatBytes(values: readonly number[], dtype: 'float32' | 'float64'): Uint8Array {
  const array = dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
  return new Uint8Array(array.buffer);
}
