import { StriateError } from '../../errors.js';
import type sharpLibrary from 'sharp';
import type { Sharp } from 'sharp';
import { imageHead, type ImageHead } from './head.js';
import { loadSharp } from './library.js';
import { wholeImage, type ImageView } from './transforms.js';

export type Channels = 1 | 3;

/**
 * Decodes an image and writes `[height, width, channels]` bytes. The image is turned as its metadata say,
 * laid on black where it is transparent, taken to 8 bits and sRGB (or grey); of an animation the first
 * picture counts. Resampling is bilinear over the whole support of an output pixel, as torchvision's.
 *
 * @param name how messages call the image
 * @param view which part is wanted at what size, from the size of the turned image
 * @throws StriateError `INVALID_DATA` naming the image: it is none, or ends too early.
 */
export async function decodeInto(
  name: string,
  bytes: Uint8Array,
  channels: Channels,
  view: (whole: ImageView) => ImageView,
  into: Uint8Array,
): Promise<void> {
  try {
    const { data, channels: found } = await decoded(bytes, channels, view);
    if (found === channels) into.set(data);
    else spread(data, found, channels, into);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StriateError('INVALID_DATA', `${name}: ${reason}`, {
      remedy: 'Replace or remove the file. Files are JPEG, PNG, WebP, GIF, TIFF, AVIF or PPM.',
      details: { path: name },
      cause,
    });
  }
}

interface Decoded {
  data: Uint8Array;
  channels: number;
}

async function decoded(
  bytes: Uint8Array,
  channels: Channels,
  view: (whole: ImageView) => ImageView,
): Promise<Decoded> {
  if (bytes.length === 0) throw new Error('the file is empty');
  const head = imageHead(bytes);
  const sharp = await loadSharp();
  if (head?.kind === 'ppm') return viewed(rawInput(sharp, bytes, head), head, channels, view);
  if (head?.kind === 'jpeg' && head.plain) return viewed(sharp(bytes), head, channels, view);
  const { width, height, autoOrient } = await sharp(bytes).metadata();
  const size = { width: autoOrient.width ?? width, height: autoOrient.height ?? height };
  const image = sharp(bytes).autoOrient();
  return viewed(image, { ...size, channels: 4 }, channels, view);
}

/**
 * Pixels as they are.
 * @internal
 */
export function rawInput(
  sharp: typeof sharpLibrary,
  bytes: Uint8Array,
  { width, height, channels, offset }: Extract<ImageHead, { kind: 'ppm' }>,
): Sharp {
  const size = width * height * channels;
  if (bytes.length < offset + size) throw new Error('the file ends before the last pixel');
  const pixels = bytes.subarray(offset, offset + size);
  return sharp(pixels, { raw: { width, height, channels } });
}

/**
 * @param whole size of the turned image, and its channels: 1 or 3 are 8-bit sRGB or grey without more; with
 *   4 nothing is known, and all conversions are asked for
 */
async function viewed(
  image: Sharp,
  whole: { width: number; height: number; channels: number },
  channels: Channels,
  view: (whole: ImageView) => ImageView,
): Promise<Decoded> {
  const { region, width, height, flip, upsideDown } = view(wholeImage(whole.width, whole.height));
  const part = wholePixels(region, whole);
  if (part.width < whole.width || part.height < whole.height) image.extract(part);
  if (part.width !== width || part.height !== height)
    image.resize(width, height, { fit: 'fill', kernel: 'linear' });
  if (flip) image.flop();
  if (upsideDown === true) image.flip();
  if (whole.channels > 3) image.flatten({ background: '#000000' });
  if (whole.channels > channels) image.toColourspace(channels === 1 ? 'b-w' : 'srgb');
  if (whole.channels > 3) image.raw({ depth: 'uchar' });
  else image.raw();
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  return { data, channels: info.channels };
}

/** The pixels that hold the region, at least one. */
function wholePixels(
  { left, top, width, height }: ImageView['region'],
  whole: { width: number; height: number },
): { left: number; top: number; width: number; height: number } {
  const x = Math.min(Math.max(0, Math.round(left)), whole.width - 1);
  const y = Math.min(Math.max(0, Math.round(top)), whole.height - 1);
  return {
    left: x,
    top: y,
    width: Math.min(Math.max(1, Math.round(width)), whole.width - x),
    height: Math.min(Math.max(1, Math.round(height)), whole.height - y),
  };
}

/** Grey to three equal channels; of more channels than wanted the first. */
function spread(data: Uint8Array, from: number, to: number, into: Uint8Array): void {
  const pixels = data.length / from;
  for (let p = 0; p < pixels; ++p)
    for (let c = 0; c < to; ++c) into[p * to + c] = data[p * from + Math.min(c, from - 1)]!;
}
