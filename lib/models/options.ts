import { checkNames, describe, invalid } from '../graph/options.js';
import type { Shape } from '../graph/shape.js';
import { input, type Value } from '../graph/value.js';

/** What every network of the zoo takes. */
export interface ModelOptions {
  /** `[height, width, channels]` of the images. */
  input?: readonly [number, number, number];
  /** Outputs of the last layer. */
  classes?: number;
}

/**
 * Options in full, and the Value of the images.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that the network does not have.
 */
export function readModelOptions<Options extends ModelOptions>(
  model: string,
  given: Options,
  defaults: Required<Options>,
): Required<Options> & { readonly images: Value } {
  checkNames(`models.${model}`, Object.keys(defaults), given);
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of set) {
    const wanted = typeof defaults[name as keyof Options];
    if (typeof value !== wanted)
      throw invalid(`models.${model}: ${name} is ${describe(value)}`, `Give a ${wanted}.`);
  }
  const options: Required<Options> = { ...defaults, ...Object.fromEntries(set) };
  return { ...options, images: input(options.input as Shape) };
}

/** ImageNet as most papers take it. */
export const imageNet = { input: [224, 224, 3], classes: 1000 } as const;
export const cifar10 = { input: [32, 32, 3], classes: 10 } as const;
