import { StriateError } from '../../errors.js';
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
    if (bytes.length === 0) throw new Error('the file is empty');
    const { default: sharp } = await import('sharp');
    const { width, height, autoOrient } = await sharp(bytes).metadata();
    const wanted = view(wholeImage(autoOrient.width ?? width, autoOrient.height ?? height));
    const image = sharp(bytes)
      .autoOrient()
      .extract(wholePixels(wanted.region, autoOrient))
      .resize(wanted.width, wanted.height, { fit: 'fill', kernel: 'linear' })
      .flop(wanted.flip)
      .flatten({ background: '#000000' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb');
    const { data, info } = await image
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels === channels) into.set(data);
    else spread(data, info.channels, channels, into);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StriateError('INVALID_DATA', `${name}: ${reason}`, {
      remedy: 'Replace or remove the file. Files are JPEG, PNG, WebP, GIF, TIFF or AVIF.',
      details: { path: name },
      cause,
    });
  }
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
