// The workspace of a convolution on a CUDA device: native/cuda/conv_plan.h computes the same.
import { StriateError } from '../errors.js';
import { isHalf } from '../program/half.js';
import type { AttributeValues } from '../program/op.js';
import type { Tensor } from '../program/tensor.js';

type Direction = 'forward' | 'backwardData' | 'backwardFilter';

/** Most bytes that one convolution takes for columns, unless a single image needs more. */
const limit = 256 * 2 ** 20;
/** For the library of matrix multiplication. */
const libraryBytes = 4 * 2 ** 20;
const biasParts = 64;
const float = 4;

const aligned = (bytes: number): number => Math.ceil(bytes / 256) * 256;
/** Bytes from row to row of a column matrix of elements of that size. */
const columnBytes = (taps: number, channels: number, size: number): number =>
  Math.ceil((taps * channels * size) / 16) * 16;

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
/** The most taps of an axis that meet one phase: those that lie a multiple of the stride apart. */
const tapsOfPhase = (taps: number, stride: number, dilation: number): number =>
  Math.ceil(taps / (stride / divisor(stride, dilation)));

/** Bytes: `fixed`, and `perImage` for every image of a chunk. */
export interface ConvNeed {
  fixed: number;
  perImage: number;
}

/** Sizes of a convolution from x `[h, w, c]` to y `[p, q, k]`, whichever of them is a gradient. */
export interface ConvSizes {
  x: readonly number[];
  y: readonly number[];
  /** Filter height and width; [0, 0] where there are no filters. */
  filter: readonly [number, number];
  /** Bytes of an element of the volumes: 4, the default, or 2. */
  elementBytes?: 2 | 4;
}

/**
 * What a convolution needs at least, and for every further image that it treats at once.
 *
 * @throws StriateError INVALID_ARGUMENT for the algorithm `gemm` where the filters are not 1x1.
 */
export function cudaConvNeed(
  direction: Direction,
  attributes: AttributeValues,
  { x, y, filter: [r, s], elementBytes: bytes = float }: ConvSizes,
): ConvNeed {
  const number = (name: string): number => Number(attributes[name] ?? 0);
  const [height, width, channels] = x as [number, number, number];
  const [p, q, filters] = y as [number, number, number];
  const [strideH, strideW, groups] = [number('strideH'), number('strideW'), number('groups')];
  const algorithm = number('algorithm');
  const taps = r * s;
  const padding = ['padTop', 'padLeft', 'padBottom', 'padRight'].some((side) => number(side) !== 0);
  const matrix =
    r === 1 && s === 1 && strideH === 1 && strideW === 1 && !padding && height === p && width === q;
  if (algorithm === 1 && taps > 0 && !matrix)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the algorithm gemm takes 1x1 filters of stride 1 without padding; these are ${r}x${s}`,
      { remedy: "Leave the option algorithm out, or give 'im2col' or 'col2im'." },
    );

  const bias =
    direction === 'backwardFilter'
      ? biasParts * filters * float
      : direction === 'forward' && bytes < float
        ? filters * bytes
        : 0;
  const fixed = libraryBytes + aligned(bias);
  if ((matrix && algorithm <= 1) || taps === 0) return { fixed, perImage: 0 };

  const phases = strideH > 1 || strideW > 1;
  const phaseTaps =
    tapsOfPhase(r, strideH, number('dilationH')) * tapsOfPhase(s, strideW, number('dilationW'));
  const phasePixels = Math.ceil(height / strideH) * Math.ceil(width / strideW);
  const pixels = height * width;
  const byFlipped = phases
    ? strideH * strideW * phasePixels * phaseTaps * filters * bytes + pixels * channels * float
    : pixels * taps * filters * bytes;
  const byColumns = p * q * taps * channels * float;
  const gathers = algorithm === 3 || (algorithm !== 2 && byColumns < byFlipped);
  if (direction !== 'backwardData' || gathers)
    return {
      fixed,
      perImage: p * q * columnBytes(taps, channels, direction === 'backwardData' ? float : bytes),
    };

  const columns = phases
    ? phasePixels * (columnBytes(phaseTaps, filters, bytes) + channels * float)
    : pixels * columnBytes(taps, filters, bytes);
  return {
    fixed: fixed + aligned(taps * (filters / groups) * channels * bytes),
    perImage: columns,
  };
}

/** Bytes of the operand `workspace`: equal chunks of as many images as the limit allows. */
export function cudaConvWorkspace(
  direction: Direction,
  attributes: AttributeValues,
  { x, w, y }: { x: Tensor; w: Tensor | undefined; y: Tensor },
  batch: number,
): number {
  const { fixed, perImage } = cudaConvNeed(direction, attributes, {
    x: x.shape.slice(-3),
    y: y.shape.slice(-3),
    filter: [w?.shape[0] ?? 0, w?.shape[1] ?? 0],
    elementBytes: isHalf(x.dtype) ? 2 : 4,
  });
  if (perImage === 0) return fixed;
  const most = Math.min(batch, Math.max(1, Math.floor((limit - fixed) / perImage)));
  const chunks = Math.ceil(batch / most);
  return fixed + perImage * Math.ceil(batch / chunks);
}
