import { checkNames, describe, invalid } from '../../graph/options.js';
import { uniform } from './colour.js';
import { readProbability, readRange, type PixelTransform } from './transforms.js';

export interface RandomErasingOptions {
  /** Default 0.5. */
  probability?: number;
  /** Share of the area, least and most; default [0.02, 0.33]. */
  scale?: readonly [number, number];
  /** Height over width, least and most; default [0.3, 3.3]. */
  ratio?: readonly [number, number];
  /** What stands there afterwards: a byte, one a channel, or `'noise'`; default ImageNet's mean colour. */
  value?: number | readonly number[] | 'noise';
}

/** Where a normalised network sees nothing. */
const meanColour = [124, 116, 104];

/**
 * A rectangle of random area and ratio at a random place is wiped out (Zhong et al., arXiv:1708.04896, as
 * torchvision's RandomErasing). It works on bytes, before the mean is subtracted.
 */
export function randomErasing(options: RandomErasingOptions = {}): PixelTransform {
  checkNames('randomErasing', ['probability', 'scale', 'ratio', 'value'], options);
  const { probability = 0.5, value = meanColour } = options;
  readProbability('randomErasing', probability);
  const scale = readRange('randomErasing: scale', options.scale ?? [0.02, 0.33], 1);
  const ratio = readRange('randomErasing: ratio', options.ratio ?? [0.3, 3.3], Infinity);
  const bytes: unknown = typeof value === 'number' ? [value] : value;
  const isByte = (v: unknown): boolean =>
    Number.isInteger(v) && (v as number) >= 0 && (v as number) < 256;
  if (bytes !== 'noise' && !(Array.isArray(bytes) && bytes.length > 0 && bytes.every(isByte)))
    throw invalid(`randomErasing: value is ${describe(value)}`, "Give bytes, or 'noise'.");
  return {
    kind: 'randomErasing',
    options: { probability, scale, ratio, value },
    change({ data, height, width, channels }, draw) {
      if (draw.uniform() >= probability) return;
      for (let attempt = 0; attempt < 10; ++attempt) {
        const area = height * width * uniform(scale, draw);
        const shape = Math.exp(uniform([Math.log(ratio[0]), Math.log(ratio[1])], draw));
        const h = Math.round(Math.sqrt(area * shape));
        const w = Math.round(Math.sqrt(area / shape));
        if (!(h < height && w < width)) continue;
        const top = Math.floor(draw.uniform() * (height - h + 1));
        const left = Math.floor(draw.uniform() * (width - w + 1));
        for (let y = top; y < top + h; ++y)
          for (let x = left; x < left + w; ++x)
            for (let c = 0; c < channels; ++c)
              data[(y * width + x) * channels + c] =
                bytes === 'noise'
                  ? draw.word() >>> 24
                  : (bytes as number[])[c % (bytes as number[]).length]!;
        return;
      }
    },
  };
}
