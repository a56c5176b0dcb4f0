// Windows over volumes: extents, and the loops that the pooling and convolution references share.

export type Pair = readonly [number, number];
/** top, left, bottom, right */
export type Sides = readonly [number, number, number, number];

/** Output extent along one axis; a last window that would start in the padding behind is dropped. */
export function extent(
  size: number,
  filter: number,
  stride: number,
  before: number,
  after: number,
  fit: 'crop' | 'pad',
): number {
  const steps = (size - filter + before + after) / stride;
  if (fit === 'crop') return Math.floor(steps) + 1;
  const count = Math.ceil(steps) + 1;
  return (count - 1) * stride >= size + before ? count - 1 : count;
}

/** Index into [n, h, w, c]. */
export const at4 = (shape: readonly number[]) => {
  const [, h, w, c] = shape as [number, number, number, number];
  return (n: number, y: number, x: number, k: number): number => ((n * h + y) * w + x) * c + k;
};
