import type { Network } from '../graph/network.js';
import { checkNames, invalid } from '../graph/options.js';
import { elementsOf, requireVolume, type Shape } from '../graph/shape.js';
import { receptiveFields } from '../reports/receptive-field.js';

type Images = Uint8Array | Float32Array | Float64Array;

/** Raw outputs `[n, ...]`, as `predict` of models and trainers gives them. */
interface Outputs {
  data: Float32Array | Float64Array;
  shape: Shape;
}

export interface HalfStrideOptions {
  /** What `slide()` gave. */
  network: Network;
  /** Runs that network: `(x) => model.predict(x)`. */
  predict: (images: Images) => Promise<Outputs>;
  /** Height and width of the original network's images. */
  window: readonly [number, number];
  /** `[n, height, width, channels]`, one array. */
  images: Images;
}

/**
 * A sliding network at half its stride: four passes, over the images and over the images shifted by half a
 * stride down, to the right, and both, interleaved. (In one dimension two passes are enough; the notes' two,
 * shifted in both dimensions at once, give a plane only its diagonal.) 6x6 positions 32 pixels apart become
 * 11x11 positions 16 pixels apart: `floor((H - window) / (stride / 2)) + 1`.
 *
 * A shifted pass ends in pixels that the image does not have; positions whose window touches them are left
 * out.
 *
 * @returns Outputs `[n, rows, columns, channels]`.
 * @throws StriateError INVALID_ARGUMENT for a network that does not slide or whose stride is odd, and for
 * images of the wrong length.
 */
export async function atHalfStride(options: HalfStrideOptions): Promise<Outputs> {
  checkNames('atHalfStride', ['network', 'predict', 'window', 'images'], options);
  const { network, predict, window, images } = options;
  const { input, shift } = strideOf(network);
  const pixels = elementsOf(input);
  const n = images.length / pixels;
  if (!Number.isInteger(n) || n < 1) {
    throw invalid(
      `images has ${images.length} elements; [${input.join(', ')}] need a multiple of ${pixels}`,
      'Give whole images, one behind the other.',
    );
  }
  const [rows, columns] = [0, 1].map((axis) => {
    const room = input[axis]! - window[axis]!;
    if (room >= 0) return Math.floor(room / shift[axis]!) + 1;
    throw invalid(
      `a window of ${window.join('x')} is larger than the images`,
      'Give the original network’s height and width.',
    );
  }) as [number, number];
  let result: Outputs | undefined;
  for (const down of [0, 1])
    for (const right of [0, 1]) {
      const moved = shifted(images, input, down * shift[0], right * shift[1]);
      const outputs = await predict(moved);
      const channels = outputs.shape.at(-1)!;
      const count = n * rows * columns * channels;
      const wide = outputs.data instanceof Float64Array;
      result ??= {
        data: wide ? new Float64Array(count) : new Float32Array(count),
        shape: [n, rows, columns, channels],
      };
      interleave(result, outputs, down, right);
    }
  return result!;
}

function strideOf(network: Network): { input: Shape; shift: readonly [number, number] } {
  const [from, to] = [network.inputs, network.outputs].map((ids) => ids[0]!) as [number, number];
  const { shape: input } = network.nodes[from]!;
  const field = receptiveFields(network)[to];
  const slides = network.inputs.length === 1 && network.nodes[to]!.shape.length === 3;
  if (!slides || field === undefined) {
    throw invalid(
      'the network’s output is not a volume of one stride',
      'Give what slide() returned.',
    );
  }
  requireVolume(input);
  const [h, w] = field.stride;
  if (h < 2 || w < 2 || h % 2 !== 0 || w % 2 !== 0)
    throw invalid(
      `half of the stride ${h}x${w} is no whole number`,
      'Give a network with an even stride.',
    );
  return { input, shift: [h / 2, w / 2] };
}

/** The images moved up and to the left, zeros coming in. */
function shifted(images: Images, shape: Shape, down: number, right: number): Images {
  if (down === 0 && right === 0) return images;
  const [height, width, channels] = requireVolume(shape);
  const moved = images.slice().fill(0);
  const row = width * channels;
  for (let start = 0; start < images.length; start += height * row)
    for (let y = down; y < height; y += 1) {
      const from = start + y * row;
      moved.set(images.subarray(from + right * channels, from + row), from - down * row);
    }
  return moved;
}

/** Writes a pass to every second row and column. */
function interleave(result: Outputs, pass: Outputs, down: number, right: number): void {
  const [n, rows, columns, channels] = result.shape as [number, number, number, number];
  const [, height, width] = pass.shape as [number, number, number];
  for (let i = 0; i < n; i += 1)
    for (let y = down; y < rows; y += 2)
      for (let x = right; x < columns; x += 2) {
        const from = ((i * height + (y - down) / 2) * width + (x - right) / 2) * channels;
        const to = ((i * rows + y) * columns + x) * channels;
        result.data.set(pass.data.subarray(from, from + channels), to);
      }
}
