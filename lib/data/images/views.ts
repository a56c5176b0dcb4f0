import { invalid } from '../../graph/options.js';
import {
  centerCrop,
  cropAt,
  randomHorizontalFlip,
  readSize,
  resize,
  type Size,
  type ViewTransform,
} from './transforms.js';

/** Lists of transforms, one a view: for the option `views` of sets of images. */
export type Views = readonly (readonly ViewTransform[])[];

/**
 * The four corners and the middle of an image, and the same of its mirror image, as AlexNet was evaluated
 * (Krizhevsky et al., 2012, section 4.1).
 * @param resized shorter side of the image that they are cut from; default `size / 0.875`
 */
export function tenCrop(size: Size, resized?: number): Views {
  return mirrored(cornersAndMiddle('tenCrop', size, resized));
}

/**
 * The middle of an image (`crops: 1`, default), or its ten crops, at several scales, as VGG was evaluated
 * (Simonyan and Zisserman, arXiv:1409.1556, section 4.2).
 * @param scales shorter sides of the resized image
 */
export function multiScale(scales: readonly number[], size: Size, crops: 1 | 10 = 1): Views {
  const [height, width] = readSize('multiScale', size);
  if (scales.length === 0 || scales.some((scale) => !(scale >= Math.min(height, width))))
    throw invalid(
      `multiScale: the scales are ${scales.join(', ')}`,
      'Give shorter sides that are not below the size.',
    );
  if (crops !== 1 && crops !== 10)
    throw invalid(`multiScale: crops is ${String(crops)}`, 'Give 1 or 10.');
  return scales.flatMap((scale): Views =>
    crops === 10 ? tenCrop(size, scale) : [[resize(scale), centerCrop(size)]],
  );
}

/** In torchvision's order: upper left and right, lower left and right, middle. */
function cornersAndMiddle(where: string, size: Size, resized: number | undefined): Views {
  const [height, width] = readSize(where, size);
  const first = resize(resized ?? Math.round(Math.min(height, width) / 0.875));
  const places = [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
    [0.5, 0.5],
  ] as const;
  return places.map(([across, down]) => [first, cropAt(size, across, down)]);
}

function mirrored(views: Views): Views {
  const flip = randomHorizontalFlip(1);
  return [...views, ...views.map(([first, ...rest]) => [first!, flip, ...rest])];
}
