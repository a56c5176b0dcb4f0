import type sharpLibrary from 'sharp';

let library: Promise<typeof sharpLibrary> | undefined;

/**
 * The image library, loaded with the first image. Each `import()` would cost a good part of a decoding.
 * @internal
 */
export function loadSharp(): Promise<typeof sharpLibrary> {
  return (library ??= import('sharp').then((module) => module.default));
}
