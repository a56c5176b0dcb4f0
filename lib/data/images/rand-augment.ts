import { checkNames, describe, invalid } from '../../graph/options.js';
import {
  adjustBrightness,
  adjustContrast,
  adjustSaturation,
  blend,
  mapBytes,
  toByte,
} from './colour.js';
import type { Pixels, PixelTransform } from './transforms.js';

export interface RandAugmentOptions {
  /** Changes an image, drawn with replacement; default 2. */
  count?: number;
  /** From 0 to 30; default 9. */
  magnitude?: number;
  /** What comes in from outside: a byte, or one a channel; default 0. */
  fill?: number | readonly number[];
}

/** A change by name: at `magnitude` of 30, and, where it has a direction, that way or the other. */
export type AugmentName = keyof typeof changes;

/** Places on the scale of magnitudes. */
const bins = 31;

/**
 * RandAugment (Cubuk et al., arXiv:1909.13719): `count` changes, each drawn from fourteen, all at one
 * magnitude. Set, ranges and formulas are torchvision's: identity, shear and shift along both axes, rotation,
 * brightness, colour, contrast, sharpness, posterize, solarize, autocontrast, equalize; geometry takes the
 * nearest pixel.
 * @throws StriateError `INVALID_ARGUMENT` for numbers out of range
 */
export function randAugment(options: RandAugmentOptions = {}): PixelTransform {
  checkNames('randAugment', ['count', 'magnitude', 'fill'], options);
  const { count = 2, magnitude = 9, fill = 0 } = options;
  if (!Number.isInteger(count) || count < 0 || count > 100)
    throw invalid(
      `randAugment: count is ${describe(count)}`,
      'Give a whole number, 2 for example.',
    );
  if (!Number.isInteger(magnitude) || magnitude < 0 || magnitude >= bins)
    throw invalid(
      `randAugment: magnitude is ${describe(magnitude)}`,
      'Give a number from 0 to 30.',
    );
  const outside = typeof fill === 'number' ? [fill] : fill;
  const names = Object.keys(changes) as AugmentName[];
  return {
    kind: 'randAugment',
    options: { count, magnitude, fill },
    change(pixels, draw) {
      for (let i = 0; i < count; ++i) {
        const name = names[Math.floor(draw.uniform() * names.length)]!;
        augment(pixels, name, magnitude, draw.uniform() < 0.5, outside);
      }
    },
  };
}

/** One change of RandAugment, in place; `back` is the other direction, where there is one. */
export function augment(
  pixels: Pixels,
  name: AugmentName,
  magnitude: number,
  back = false,
  fill: readonly number[] = [0],
): void {
  changes[name](pixels, new Scale(magnitude, back ? -1 : 1), fill);
}

type Change = (pixels: Pixels, scale: Scale, fill: readonly number[]) => void;

/** A magnitude on scales from 0 to a largest number, with the direction's sign. */
class Scale {
  /** From 0 to 1. */
  readonly part: number;

  constructor(
    private readonly magnitude: number,
    readonly sign: 1 | -1,
  ) {
    this.part = magnitude / (bins - 1);
  }

  /** For geometry. */
  exact(largest: number): number {
    return this.sign * largest * this.part;
  }

  /** For colours: as torch.linspace counts, in single precision from the nearer end; the cut would tell. */
  single(largest: number): number {
    const [f, last] = [Math.fround, bins - 1];
    const step = f(f(largest) / last);
    const low = 2 * this.magnitude < last;
    return (
      this.sign * (low ? f(step * this.magnitude) : f(f(largest) - step * (last - this.magnitude)))
    );
  }
}

const changes = {
  identity: () => undefined,
  shearX: (p, scale, fill) => affine(p, [1, scale.exact(0.3), 0], [0, 1, 0], fill),
  shearY: (p, scale, fill) => affine(p, [1, 0, 0], [scale.exact(0.3), 1, 0], fill),
  translateX: (p, scale, fill) =>
    affine(p, [1, 0, -Math.trunc(scale.single((150 / 331) * p.width))], [0, 1, 0], fill),
  translateY: (p, scale, fill) =>
    affine(p, [1, 0, 0], [0, 1, -Math.trunc(scale.single((150 / 331) * p.height))], fill),
  rotate(p, scale, fill) {
    const angle = (scale.exact(30) * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const [cx, cy] = [p.width / 2, p.height / 2];
    affine(p, [cos, -sin, cx - cos * cx + sin * cy], [sin, cos, cy - sin * cx - cos * cy], fill);
  },
  brightness: (p, scale) => adjustBrightness(p, 1 + scale.single(0.9)),
  color: (p, scale) => adjustSaturation(p, 1 + scale.single(0.9)),
  contrast: (p, scale) => adjustContrast(p, 1 + scale.single(0.9)),
  sharpness: (p, scale) => adjustSharpness(p, 1 + scale.single(0.9)),
  posterize(p, scale) {
    const dropped = Math.round(4 * scale.part);
    mapBytes(p.data, (v) => v - (v % 2 ** dropped));
  },
  solarize(p, scale) {
    // Counted down from 255.
    const threshold = 255 - Math.abs(scale.single(255));
    mapBytes(p.data, (v) => (v >= threshold ? 255 - v : v));
  },
  autoContrast: (p) => eachChannel(p, autoContrast),
  equalize: (p) => eachChannel(p, equalize),
} satisfies Record<string, Change>;

/** Output pixel (x, y), measured from the corner, takes the input at `(ax + by + c, dx + ey + f)`. */
function affine(
  { data, height, width, channels }: Pixels,
  [a, b, c]: readonly [number, number, number],
  [d, e, f]: readonly [number, number, number],
  fill: readonly number[],
): void {
  const source = data.slice();
  for (let y = 0; y < height; ++y)
    for (let x = 0; x < width; ++x) {
      const column = nearest(a * (x + 0.5) + b * (y + 0.5) + c - 0.5);
      const row = nearest(d * (x + 0.5) + e * (y + 0.5) + f - 0.5);
      const inside = column >= 0 && column < width && row >= 0 && row < height;
      const from = (row * width + column) * channels;
      const to = (y * width + x) * channels;
      for (let k = 0; k < channels; ++k)
        data[to + k] = inside ? source[from + k]! : fill[k % fill.length]!;
    }
}

/** The even one of two that are as near, as the C library rounds. */
function nearest(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** Away from the image smoothed by 3x3, or towards it; the border stays. */
function adjustSharpness({ data, height, width, channels }: Pixels, factor: number): void {
  if (height <= 2 || width <= 2) return;
  const source = data.slice();
  const row = width * channels;
  for (let y = 0; y < height; ++y)
    for (let i = 0; i < row; ++i) {
      const at = y * row + i;
      const border = y === 0 || y === height - 1 || i < channels || i >= row - channels;
      let smooth = source[at]!;
      if (!border) {
        let sum = 4 * smooth;
        for (let dy = -row; dy <= row; dy += row)
          for (let dx = -channels; dx <= channels; dx += channels) sum += source[at + dy + dx]!;
        smooth = Math.round(sum / 13);
      }
      data[at] = toByte(blend(source[at]!, smooth, factor));
    }
}

/** From the counts of a channel's bytes to what becomes of each; undefined: nothing. */
type Table = (counts: Float64Array) => Uint8Array | undefined;

function eachChannel({ data, channels }: Pixels, table: Table): void {
  for (let c = 0; c < channels; ++c) {
    const counts = new Float64Array(256);
    for (let at = c; at < data.length; at += channels) counts[data[at]!]!++;
    const values = table(counts);
    if (!values) continue;
    for (let at = c; at < data.length; at += channels) data[at] = values[data[at]!]!;
  }
}

const autoContrast: Table = (counts) => {
  const least = counts.findIndex((count) => count > 0);
  const most = counts.findLastIndex((count) => count > 0);
  if (least === most) return undefined;
  // In single precision, where torchvision's quotient is: it decides what the cut leaves.
  const scale = Math.fround(255 / (most - least));
  return Uint8Array.from({ length: 256 }, (_, v) => toByte(Math.fround((v - least) * scale)));
};

const equalize: Table = (counts) => {
  const last = counts.findLast((count) => count > 0) ?? 0;
  const step = Math.floor((counts.reduce((sum, count) => sum + count, 0) - last) / 255);
  if (step === 0) return undefined;
  const table = new Uint8Array(256);
  let before = 0;
  for (let v = 0; v < 256; ++v) {
    table[v] = Math.min(255, Math.floor((before + Math.floor(step / 2)) / step));
    before += counts[v]!;
  }
  table[0] = 0;
  return table;
};
