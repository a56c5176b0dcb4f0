import { describe, invalid } from '../../graph/options.js';
import type { Stream } from '../../initializers/philox.js';

/** Which part of an image is kept, and at what size: all geometry comes down to one resampling. */
export interface ImageView {
  /** Of the source, in pixels; need not be whole. */
  readonly region: { left: number; top: number; width: number; height: number };
  readonly width: number;
  readonly height: number;
  /** Left and right change places. */
  readonly flip: boolean;
  /** Top and bottom change places. */
  readonly upsideDown?: boolean;
}

/** A decoded image, `[height, width, channels]` bytes, that a transform changes in place. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** What every transform says of itself: `{ kind, options }` is all that a report of a run needs. */
interface Described {
  readonly kind: string;
  /** As they were given, with the defaults. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A change of geometry that goes into the one resampling of the decoder. */
export interface ViewTransform extends Described {
  /** `draw` gives the numbers of this sample in this epoch: (seed, epoch, index) alone decide them. */
  apply(view: ImageView, draw: Stream): ImageView;
}

/** A change of the network's pixels, after the resampling. */
export interface PixelTransform extends Described {
  /** `draw` as for views. */
  change(pixels: Pixels, draw: Stream): void;
}

/**
 * One step from the decoded image to what the network sees: plain data and a function. In a list those of
 * geometry come first. One that can do both is applied to the view where there is one.
 */
export type ImageTransform = ViewTransform | PixelTransform;

/** Splits a list. @throws StriateError `INVALID_ARGUMENT` for geometry behind a change of pixels. */
export function sortTransforms(
  where: string,
  transforms: readonly ImageTransform[],
): { views: ViewTransform[]; pixels: PixelTransform[] } {
  const [views, pixels]: [ViewTransform[], PixelTransform[]] = [[], []];
  for (const transform of transforms as readonly unknown[]) {
    const found = transform as Partial<ViewTransform & PixelTransform> | null;
    if (typeof found?.apply === 'function') {
      if (pixels.length > 0 && typeof found.change !== 'function')
        throw invalid(
          `${where}: ${found.kind} changes the geometry behind ${pixels[0]!.kind}`,
          'Put resizing, crops and flips before changes of the pixels.',
        );
      if (pixels.length === 0) views.push(found as ViewTransform);
      else pixels.push(found as PixelTransform);
    } else if (typeof found?.change === 'function') pixels.push(found as PixelTransform);
    else
      throw invalid(`${where}: ${describe(transform)} is no transform`, 'Give data.resize(256).');
  }
  return { views, pixels };
}

export type Size = number | readonly [height: number, width: number];

/** The whole of an image. */
export const wholeImage = (width: number, height: number): ImageView => ({
  region: { left: 0, top: 0, width, height },
  width,
  height,
  flip: false,
});

/** `n`: the shorter side becomes n, the other keeps the ratio; `[h, w]`: stretched to just this. */
export function resize(size: Size): ViewTransform {
  readSize('resize', size);
  return {
    kind: 'resize',
    options: { size },
    apply(view) {
      if (typeof size !== 'number') return { ...view, height: size[0], width: size[1] };
      const scale = size / Math.min(view.width, view.height);
      return {
        ...view,
        width: Math.round(view.width * scale),
        height: Math.round(view.height * scale),
      };
    },
  };
}

/** The middle, `n` x `n` or `[h, w]`; where the image is smaller, its middle is enlarged. */
export function centerCrop(size: Size): ViewTransform {
  const [height, width] = readSize('centerCrop', size);
  return {
    kind: 'centerCrop',
    options: { size },
    apply: (view) =>
      cut(
        view,
        Math.min(width, view.width),
        Math.min(height, view.height),
        [width, height],
        0.5,
        0.5,
      ),
  };
}

export interface RandomResizedCropOptions {
  /** Share of the area, least and most; default [0.08, 1]. */
  scale?: readonly [number, number];
  /** Width over height, least and most; default [3/4, 4/3]. */
  ratio?: readonly [number, number];
}

/**
 * A part of random area and ratio at a random place, resampled to `size` (Szegedy et al.,
 * arXiv:1409.4842, section 6). After ten parts that do not fit into the image, its middle in the nearest
 * ratio, as torchvision does.
 */
export function randomResizedCrop(
  size: Size,
  options: RandomResizedCropOptions = {},
): ViewTransform {
  const [height, width] = readSize('randomResizedCrop', size);
  const scale = readRange('randomResizedCrop: scale', options.scale ?? [0.08, 1], 1);
  const ratio = readRange('randomResizedCrop: ratio', options.ratio ?? [3 / 4, 4 / 3], Infinity);
  return {
    kind: 'randomResizedCrop',
    options: { size, scale, ratio },
    apply(view, draw) {
      const between = ([least, most]: readonly [number, number]): number =>
        least + (most - least) * draw.uniform();
      for (let attempt = 0; attempt < 10; ++attempt) {
        const area = view.width * view.height * between(scale);
        const shape = Math.exp(between([Math.log(ratio[0]), Math.log(ratio[1])]));
        const w = Math.round(Math.sqrt(area * shape));
        const h = Math.round(Math.sqrt(area / shape));
        if (w < 1 || h < 1 || w > view.width || h > view.height) continue;
        return cut(view, w, h, [width, height], draw.uniform(), draw.uniform());
      }
      const nearest = Math.min(ratio[1], Math.max(ratio[0], view.width / view.height));
      const w = Math.min(view.width, Math.round(view.height * nearest));
      const h = Math.min(view.height, Math.round(view.width / nearest));
      return cut(view, w, h, [width, height], 0.5, 0.5);
    },
  };
}

/** Left and right change places with this probability; default 0.5. */
export function randomHorizontalFlip(probability = 0.5): ViewTransform & PixelTransform {
  readProbability('randomHorizontalFlip', probability);
  return {
    kind: 'randomHorizontalFlip',
    options: { probability },
    apply: (view, draw) => (draw.uniform() < probability ? { ...view, flip: !view.flip } : view),
    change({ data, height, width, channels }, draw) {
      if (draw.uniform() >= probability) return;
      for (let row = 0; row < height; ++row)
        for (let left = 0, right = width - 1; left < right; ++left, --right)
          for (let c = 0; c < channels; ++c) {
            const [a, b] = [left, right].map((column) => (row * width + column) * channels + c);
            const kept = data[a!]!;
            data[a!] = data[b!]!;
            data[b!] = kept;
          }
    },
  };
}

/** Top and bottom change places with this probability; default 0.5. */
export function randomVerticalFlip(probability = 0.5): ViewTransform & PixelTransform {
  readProbability('randomVerticalFlip', probability);
  return {
    kind: 'randomVerticalFlip',
    options: { probability },
    apply: (view, draw) =>
      draw.uniform() < probability ? { ...view, upsideDown: !view.upsideDown } : view,
    change({ data, height, width, channels }, draw) {
      if (draw.uniform() >= probability) return;
      const bytes = width * channels;
      for (let top = 0, bottom = height - 1; top < bottom; ++top, --bottom) {
        const kept = data.slice(top * bytes, (top + 1) * bytes);
        data.copyWithin(top * bytes, bottom * bytes, (bottom + 1) * bytes);
        data.set(kept, bottom * bytes);
      }
    },
  };
}

/** A part of this size at a place: fractions of what is left over, 0 at the left and the top, 1 opposite. */
export function cropAt(size: Size, across: number, down: number): ViewTransform {
  const [height, width] = readSize('cropAt', size);
  for (const fraction of [across, down]) readProbability('cropAt', fraction);
  return {
    kind: 'cropAt',
    options: { size, across, down },
    apply(view) {
      const [w, h] = [Math.min(width, view.width), Math.min(height, view.height)];
      return cut(view, w, h, [width, height], across, down);
    },
  };
}

/** `width` x `height` of the view, placed at these fractions of what is left over, as `to` pixels. */
function cut(
  view: ImageView,
  width: number,
  height: number,
  to: readonly [width: number, height: number],
  across: number,
  down: number,
): ImageView {
  const { region } = view;
  const [x, y] = [region.width / view.width, region.height / view.height];
  const fromLeft = view.flip ? 1 - across : across;
  const fromTop = view.upsideDown === true ? 1 - down : down;
  return {
    region: {
      left: region.left + (view.width - width) * fromLeft * x,
      top: region.top + (view.height - height) * fromTop * y,
      width: width * x,
      height: height * y,
    },
    width: to[0],
    height: to[1],
    flip: view.flip,
    ...(view.upsideDown === undefined ? {} : { upsideDown: view.upsideDown }),
  };
}

export function readSize(where: string, size: unknown): [height: number, width: number] {
  const pair: unknown = typeof size === 'number' ? [size, size] : size;
  const whole = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 16;
  if (Array.isArray(pair) && pair.length === 2 && pair.every(whole))
    return [pair[0] as number, pair[1] as number];
  throw invalid(`${where}: the size is ${describe(size)}`, 'Give pixels: 224, or [224, 192].');
}

export function readProbability(where: string, value: number): void {
  if (!(value >= 0 && value <= 1))
    throw invalid(`${where}: the probability is ${describe(value)}`, 'Give a number from 0 to 1.');
}

export function readRange(where: string, range: unknown, limit: number): readonly [number, number] {
  const [least, most] = Array.isArray(range) ? (range as unknown[]) : [];
  if (typeof least === 'number' && typeof most === 'number' && least > 0 && least <= most)
    if (most <= limit && Number.isFinite(most)) return [least, most];
  throw invalid(
    `${where} is ${describe(range)}`,
    `Give the least and the most, above 0${limit === 1 ? ', at most 1' : ''}.`,
  );
}
