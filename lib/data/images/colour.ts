import { checkNames, describe, invalid } from '../../graph/options.js';
import type { Stream } from '../../initializers/philox.js';
import { readRange, type Pixels, type PixelTransform } from './transforms.js';

// Changes of colours. Their formulas, weights and roundings are torchvision's for tensors of bytes
// (torchvision.transforms.functional).

export interface ColorJitterOptions {
  /** A factor from `1 - x` (not below 0) to `1 + x`, or from one number to another; default 0: none. */
  brightness?: number | readonly [number, number];
  contrast?: number | readonly [number, number];
  saturation?: number | readonly [number, number];
  /** A turn of the circle of hues, from `-x` to `x`, at most 0.5; or from one number to another. Default 0. */
  hue?: number | readonly [number, number];
}

/**
 * Brightness, contrast, saturation and hue changed at random, in random order, as torchvision's ColorJitter.
 * @throws StriateError `INVALID_ARGUMENT` for numbers out of range
 */
export function colorJitter(options: ColorJitterOptions): PixelTransform {
  checkNames('colorJitter', ['brightness', 'contrast', 'saturation', 'hue'], options);
  const brightness = readFactor('brightness', options.brightness);
  const contrast = readFactor('contrast', options.contrast);
  const saturation = readFactor('saturation', options.saturation);
  const hue = readHue(options.hue);
  const steps = [
    { range: brightness, change: adjustBrightness },
    { range: contrast, change: adjustContrast },
    { range: saturation, change: adjustSaturation },
    { range: hue, change: adjustHue },
  ];
  return {
    kind: 'colorJitter',
    options: { brightness, contrast, saturation, hue },
    change(pixels, draw) {
      for (const step of shuffled(steps, draw)) {
        const amount = uniform(step.range, draw);
        step.change(pixels, amount);
      }
    },
  };
}

/**
 * Krizhevsky's lighting (Krizhevsky, Sutskever, Hinton, 2012, section 4.1): to every pixel is added
 * `P (a1 l1, a2 l2, a3 l3)`, where P and l are eigenvectors and eigenvalues of the colours' covariance and
 * each a is normal with this deviation; 0.1 by default. The constants are ImageNet's, of colours from 0 to 1,
 * as fb.resnet.torch publishes them.
 */
export function pcaLighting(deviation = 0.1): PixelTransform {
  if (!(deviation >= 0 && Number.isFinite(deviation)))
    throw invalid(`pcaLighting: the deviation is ${describe(deviation)}`, 'Give 0.1.');
  return {
    kind: 'pcaLighting',
    options: { deviation },
    change({ data, channels }, draw) {
      const alpha = eigenvalues.map((value) => value * deviation * draw.normal());
      if (channels !== 3) return;
      const tables = eigenvectors.map((row) => {
        const shift = 255 * row.reduce((sum, value, i) => sum + value * alpha[i]!, 0);
        return Uint8ClampedArray.from({ length: 256 }, (_, v) => v + shift);
      });
      for (let at = 0; at < data.length; at += 3)
        for (let c = 0; c < 3; ++c) data[at + c] = tables[c]![data[at + c]!]!;
    },
  };
}

const eigenvalues = [0.2175, 0.0188, 0.0045];
/** A row for red, green and blue each. */
const eigenvectors = [
  [-0.5675, 0.7192, 0.4009],
  [-0.5808, -0.0045, -0.814],
  [-0.5836, -0.6948, 0.4203],
];

/** `factor` times the bytes. */
export function adjustBrightness({ data }: Pixels, factor: number): void {
  mapBytes(data, (v) => blend(v, 0, factor));
}

/** Bytes further from the mean of the grey image, or nearer to it. */
export function adjustContrast(pixels: Pixels, factor: number): void {
  const { data, channels } = pixels;
  let sum = 0;
  for (let at = 0; at < data.length; at += channels) sum += greyAt(pixels, at);
  const mean = (sum * channels) / data.length;
  mapBytes(data, (v) => blend(v, mean, factor));
}

/** Bytes further from the pixel's grey, or nearer to it. */
export function adjustSaturation(pixels: Pixels, factor: number): void {
  const { data, channels } = pixels;
  if (channels !== 3) return;
  for (let at = 0; at < data.length; at += 3) {
    const grey = greyAt(pixels, at);
    for (let c = 0; c < 3; ++c) data[at + c] = toByte(blend(data[at + c]!, grey, factor));
  }
}

/** Hues turned by a part of the circle, through hue, saturation and value. */
export function adjustHue({ data, channels }: Pixels, turn: number): void {
  if (channels !== 3 || turn === 0) return;
  for (let at = 0; at < data.length; at += 3) {
    const [r, g, b] = [data[at]! / 255, data[at + 1]! / 255, data[at + 2]! / 255];
    const most = Math.max(r, g, b);
    const spread = most - Math.min(r, g, b);
    if (spread === 0) continue;
    let hue: number;
    if (most === r) hue = (g - b) / spread;
    else if (most === g) hue = 2 + (b - r) / spread;
    else hue = 4 + (r - g) / spread;
    hue = hue / 6 + turn + 2;
    const place = (hue - Math.floor(hue)) * 6;
    const sector = Math.floor(place);
    const part = place - sector;
    const saturation = spread / most;
    const p = most * (1 - saturation);
    const q = most * (1 - saturation * part);
    const t = most * (1 - saturation * (1 - part));
    const [red, green, blue] = sectors(sector, most, p, q, t);
    // As torchvision takes numbers from 0 to 1 to bytes.
    data[at] = toByte(red * 255.999);
    data[at + 1] = toByte(green * 255.999);
    data[at + 2] = toByte(blue * 255.999);
  }
}

function sectors(
  sector: number,
  v: number,
  p: number,
  q: number,
  t: number,
): readonly [number, number, number] {
  switch (sector % 6) {
    case 0:
      return [v, t, p];
    case 1:
      return [q, v, p];
    case 2:
      return [p, v, t];
    case 3:
      return [p, q, v];
    case 4:
      return [t, p, v];
    default:
      return [v, p, q];
  }
}

/** `factor a + (1 - factor) b` in single precision, as torchvision: the cut to a byte would tell. */
export function blend(a: number, b: number, factor: number): number {
  return Math.fround(
    Math.fround(Math.fround(factor) * a) + Math.fround(Math.fround(1 - factor) * b),
  );
}

/** ITU-R 601's weights, cut to a byte. */
function greyAt({ data, channels }: Pixels, at: number): number {
  if (channels !== 3) return data[at]!;
  return Math.floor(0.2989 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!);
}

/** Every byte by a table. */
export function mapBytes(data: Uint8Array, value: (v: number) => number): void {
  const table = Uint8Array.from({ length: 256 }, (_, v) => toByte(value(v)));
  for (let i = 0; i < data.length; ++i) data[i] = table[data[i]!]!;
}

/** Held to 0 to 255, the fraction cut off. */
export function toByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.floor(value);
}

export function uniform([least, most]: readonly [number, number], draw: Stream): number {
  return least + (most - least) * draw.uniform();
}

function shuffled<T>(items: readonly T[], draw: Stream): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; --i) {
    const other = Math.floor(draw.uniform() * (i + 1));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}

function readFactor(name: string, value: unknown = 0): readonly [number, number] {
  const where = `colorJitter: ${name}`;
  if (typeof value === 'number' && value >= 0 && Number.isFinite(value))
    return [Math.max(0, 1 - value), 1 + value];
  if (Array.isArray(value) && value[0] === 0)
    return [0, readRange(where, [1e-9, value[1]], Infinity)[1]];
  return readRange(where, value, Infinity);
}

function readHue(value: unknown = 0): readonly [number, number] {
  const [least, most] = typeof value === 'number' ? [-value, value] : (value as [number, number]);
  if (typeof least === 'number' && least >= -0.5 && least <= most && most <= 0.5)
    return [least, most];
  throw invalid(`colorJitter: hue is ${describe(value)}`, 'Give 0 to 0.5, or two of -0.5 to 0.5.');
}
