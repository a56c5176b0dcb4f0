import { checkNames, describe, invalid } from '../../graph/options.js';
import { Stream } from '../../initializers/philox.js';
import type { Dataset } from '../dataset.js';
import { sortTransforms, type ImageTransform, type PixelTransform } from './transforms.js';

export interface RandomCropOptions {
  /** Pixels that are added on every side before; default 4. */
  padding?: number;
  /** What is added: a byte, or one a channel; default 0. */
  fill?: number | readonly number[];
}

/**
 * The image moved by up to `padding` pixels each way: the part of its own size at a random place of the padded
 * image, as CIFAR is trained (He et al., arXiv:1512.03385, section 4.2: four pixels).
 */
export function randomCrop(options: RandomCropOptions = {}): PixelTransform {
  checkNames('randomCrop', ['padding', 'fill'], options);
  const { padding = 4, fill = 0 } = options;
  if (!Number.isInteger(padding) || padding < 0)
    throw invalid(`randomCrop: padding is ${describe(padding)}`, 'Give pixels: 4.');
  const outside = typeof fill === 'number' ? [fill] : fill;
  return {
    kind: 'randomCrop',
    options: { padding, fill },
    change({ data, height, width, channels }, draw) {
      const down = Math.floor(draw.uniform() * (2 * padding + 1)) - padding;
      const across = Math.floor(draw.uniform() * (2 * padding + 1)) - padding;
      const source = data.slice();
      for (let y = 0; y < height; ++y)
        for (let x = 0; x < width; ++x) {
          const [row, column] = [y + down, x + across];
          const inside = row >= 0 && row < height && column >= 0 && column < width;
          for (let c = 0; c < channels; ++c)
            data[(y * width + x) * channels + c] = inside
              ? source[(row * width + column) * channels + c]!
              : outside[c % outside.length]!;
        }
    },
  };
}

/**
 * A set of bytes whose images are changed when they are read: for sets that are not decoded, as CIFAR and
 * MNIST. Only transforms of pixels, and flips.
 * @throws StriateError `INVALID_ARGUMENT` for a set that is no set of images of bytes, or geometry
 */
export function augmented(set: Dataset, transforms: readonly ImageTransform[]): Dataset {
  const where = 'data.augmented';
  const [height, width, channels] = set.shape;
  if (set.dtype !== 'uint8' || set.shape.length !== 3)
    throw invalid(
      `${where}: the set has no images of bytes`,
      'Images are [height, width, channels].',
    );
  const steps = transforms.map((transform) => {
    if (!('change' in transform))
      throw invalid(
        `${where}: ${transform.kind} changes the size`,
        'Use changes of pixels, and flips.',
      );
    return transform;
  });
  sortTransforms(where, steps);
  const bytes = height! * width! * channels!;
  const { length, shape, dtype, classes, target, sequential, workers } = set;
  return {
    ...{ length, shape, dtype },
    ...(classes === undefined ? {} : { classes }),
    ...(target === undefined ? {} : { target }),
    ...(sequential === undefined ? {} : { sequential }),
    ...(workers === undefined ? {} : { workers }),
    async read(indices, into, signal, pass = { seed: 0, epoch: 0 }) {
      const found = (await set.read(indices, into, signal, pass)) ?? indices.length;
      for (let i = 0; i < found; ++i) {
        const draw = new Stream(pass.seed, `augmented/${pass.epoch}/${indices[i]!}`);
        const data = (into.x as Uint8Array).subarray(i * bytes, (i + 1) * bytes);
        for (const step of steps)
          step.change({ data, height: height!, width: width!, channels: channels! }, draw);
      }
      return found;
    },
  };
}
