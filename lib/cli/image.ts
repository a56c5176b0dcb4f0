import { readFile } from 'node:fs/promises';
import { StriateError } from '../errors.js';
import type { Shape } from '../graph/shape.js';

/**
 * Decodes an image file and scales it to `[height, width, channels]`: grey for one channel, RGB for
 * three; transparency is laid on black.
 *
 * @throws StriateError `INVALID_DATA` for a file that cannot be read or decoded, `INVALID_SHAPE` for a
 * network whose input is no image.
 */
export async function readImage(path: string, shape: Shape): Promise<Uint8Array> {
  const [height, width, channels] = shape;
  if (height === undefined || width === undefined || (channels !== 1 && channels !== 3)) {
    throw new StriateError(
      'INVALID_SHAPE',
      `the network's input [${shape.join(', ')}] is no image`,
      {
        remedy: 'predict() takes arrays of any shape from code.',
      },
    );
  }
  const { default: sharp } = await import('sharp');
  try {
    const image = sharp(await readFile(path))
      .rotate()
      .flatten({ background: '#000000' })
      .resize(width, height, { fit: 'fill' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb');
    return await image.raw({ depth: 'uchar' }).toBuffer();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StriateError('INVALID_DATA', `${path}: ${reason}`, {
      remedy: 'Give JPEG, PNG, WebP, GIF, TIFF or AVIF files.',
      cause,
    });
  }
}
