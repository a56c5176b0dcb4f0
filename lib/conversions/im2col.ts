import { invalid, optional, pair, readOptions, type OptionRules } from '../graph/options.js';
import { elementsOf, requireVolume, type Padding, type Pair, type Shape } from '../graph/shape.js';
import { placed, placementRules, type Placement } from '../layers/windows.js';

export interface Im2colOptions {
  /** Filter height and width. */
  size: Pair;
  /** Default 1. */
  stride?: Pair;
  /** Default 0. */
  padding?: Padding;
  /** Default 1. */
  dilation?: Pair;
  /** For a size that does not divide; default 'exact'. */
  fit?: 'exact' | 'crop' | 'pad';
}

interface Windows extends Placement {
  readonly size: readonly [number, number];
  readonly dilation: readonly [number, number];
}

const rules: OptionRules<Windows> = {
  size: pair,
  ...placementRules,
  dilation: optional(pair, [1, 1]),
};

/**
 * The notes' X_col, for teaching and tests (devices read the windows while they multiply): each window of a
 * volume `[H, W, C]` as a column, `[R S C, P Q]`; rows go over the window's rows, its columns, its channels.
 * 227x227x3 with filters of 11x11 at stride 4 gives [363, 3025].
 *
 * @throws StriateError INVALID_ARGUMENT for unknown options and data of the wrong length; ShapeError for
 * windows that do not fit.
 */
export function im2col(
  data: Float32Array | Float64Array,
  shape: Shape,
  options: Im2colOptions,
): { data: Float64Array; shape: readonly [number, number] } {
  const windows = readOptions('im2col', rules, options);
  const { size, stride, dilation } = windows;
  const [height, width, channels] = requireVolume(shape);
  if (data.length !== elementsOf(shape))
    throw invalid(
      `the volume has ${data.length} elements, [${shape.join(', ')}] has ${elementsOf(shape)}`,
      'Give one volume.',
    );
  const geometry = placed([height, width], size, windows, 'exact');
  const columns = geometry.height * geometry.width;
  const rows = size[0] * size[1] * channels;
  const matrix = new Float64Array(rows * columns);
  for (let r = 0; r < size[0]; r += 1)
    for (let s = 0; s < size[1]; s += 1)
      for (let p = 0; p < geometry.height; p += 1)
        for (let q = 0; q < geometry.width; q += 1) {
          const y = p * stride[0] - geometry.padding.top + r * dilation[0];
          const x = q * stride[1] - geometry.padding.left + s * dilation[1];
          if (y < 0 || y >= height || x < 0 || x >= width) continue;
          for (let c = 0; c < channels; c += 1)
            matrix[((r * size[1] + s) * channels + c) * columns + p * geometry.width + q] =
              data[(y * width + x) * channels + c]!;
        }
  return { data: matrix, shape: [rows, columns] };
}
