import { availableParallelism } from 'node:os';
import { CancelledError, StriateError } from '../../errors.js';
import { describe, invalid } from '../../graph/options.js';
import { Stream } from '../../initializers/philox.js';
import type { DataPass, Dataset, SampleArrays } from '../dataset.js';
import { decodeInto, type Channels } from './decode.js';
import { Slots } from './slots.js';
import type { ImageSource, OnError } from './source.js';
import {
  centerCrop,
  readSize,
  resize,
  sortTransforms,
  type ImageTransform,
  type Size,
} from './transforms.js';

/** How images become what the network takes. */
export interface ImageSetOptions {
  /** Pixels that the network takes: `n` or `[height, width]`. */
  size: Size;
  /** 3 (default) or 1. */
  channels?: Channels;
  /**
   * From the decoded image to the network's. Default: the shorter side to `size / 0.875`, then the middle,
   * as ImageNet is evaluated. What has another size in the end is resampled.
   */
  transforms?: readonly ImageTransform[];
  /**
   * Several lists of transforms: every image is seen through each of them, one behind the other, and the set
   * is so many times as long. For evaluation: `data.tenCrop(224)`, `data.multiScale([224, 256, 288], 224)`;
   * see `evaluateViews`.
   */
  views?: readonly (readonly ImageTransform[])[];
  /**
   * An image that does not decode: `'throw'` (default), or `'skip'`: black, with the label -1, which losses
   * ignore; it is named in `broken`.
   */
  onError?: OnError;
  /**
   * Images that are read and decoded at a time; default one a core. They run on libuv's threads, of which
   * there are 4 unless UV_THREADPOOL_SIZE says otherwise. The samples do not depend on it.
   */
  workers?: number;
}

/** The names of `ImageSetOptions`. */
export const imageSetOptions = ['size', 'channels', 'transforms', 'views', 'onError', 'workers'];

/** A data set of encoded images. */
export interface ImageSet extends Dataset {
  readonly classes: readonly string[];
  /** What did not decode so far, or was left out when the set was opened: by name, with the reason. */
  readonly broken: ReadonlyMap<string, string>;
  /** Samples that are views of one image and stand one behind the other; 1 without `views`. */
  readonly views: number;
  /** How messages call the image: a path, or a shard and a member of it. */
  nameOf(index: number): string;
  /** The class of a sample, without decoding it. */
  labelOf(index: number): number;
  /** The image as it is stored. */
  encoded(index: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** Options with their defaults. @throws StriateError `INVALID_ARGUMENT` */
export function readImageOptions(where: string, options: ImageSetOptions) {
  const [height, width] = readSize(where, options.size);
  const { channels = 3, onError = 'throw', workers = availableParallelism() } = options;
  if (channels !== 1 && channels !== 3)
    throw invalid(`${where}: channels is ${describe(channels)}`, 'Give 3 or 1.');
  if (onError !== 'throw' && onError !== 'skip')
    throw invalid(`${where}: onError is ${describe(onError)}`, "Give 'throw' or 'skip'.");
  if (!Number.isInteger(workers) || workers < 1 || workers > 1024)
    throw invalid(`${where}: workers is ${describe(workers)}`, 'Give a number from 1 to 1024.');
  const usual = [resize(Math.round(Math.min(height, width) / 0.875)), centerCrop([height, width])];
  if (options.views !== undefined && (options.transforms !== undefined || !options.views.length))
    throw invalid(`${where}: views stand in the place of transforms`, 'Give one of the two.');
  const lists = options.views ?? [options.transforms ?? usual];
  const transforms = lists.map((list) => sortTransforms(where, list));
  return { height, width, channels, onError, workers, transforms };
}

/** An image of a batch: where it comes from, and where it goes. */
export interface ImageRequest {
  name: string;
  label: number;
  /** Of the sample in its set; with seed and epoch all that random changes depend on. */
  index: number;
  /** Which of the lists of transforms; default the first. */
  view?: number;
  bytes: (signal?: AbortSignal) => Promise<Uint8Array>;
}

/** Decodes images into batches, `workers` at a time over all batches. */
export class ImageReader {
  readonly shape: readonly [height: number, width: number, channels: number];
  private readonly options: ReturnType<typeof readImageOptions>;
  private readonly slots: Slots;

  constructor(
    where: string,
    options: ImageSetOptions,
    readonly broken: Map<string, string>,
  ) {
    this.options = readImageOptions(where, options);
    const { height, width, channels, workers } = this.options;
    this.shape = [height, width, channels];
    this.slots = new Slots(workers);
  }

  get workers(): number {
    return this.options.workers;
  }

  /** Times that each image is seen. */
  get views(): number {
    return this.options.transforms.length;
  }

  /** `request(0)` to `request(count - 1)`, in any order, one behind the other in the arrays. */
  read(
    count: number,
    request: (i: number) => ImageRequest,
    { x, target }: SampleArrays,
    signal: AbortSignal | undefined,
    pass: DataPass = { seed: 0, epoch: 0 },
  ): Promise<void> {
    const [height, width, channels] = this.shape;
    const imageBytes = height * width * channels;
    const one = async (i: number): Promise<void> => {
      const image = request(i);
      const into = (x as Uint8Array).subarray(i * imageBytes, (i + 1) * imageBytes);
      try {
        await this.decode(image, pass, into, signal);
        target[i] = image.label;
      } catch (error) {
        if (signal?.aborted)
          throw new CancelledError('reading was aborted', { cause: signal.reason });
        if (this.options.onError !== 'skip' || !(error instanceof StriateError)) throw error;
        this.broken.set(image.name, error.message);
        into.fill(0);
        target[i] = -1;
      }
    };
    return this.slots.forEach(count, one, signal);
  }

  private async decode(
    image: ImageRequest,
    { seed, epoch }: DataPass,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const bytes = await image.bytes(signal);
    const draw = new Stream(seed, `image/${epoch}/${image.index}`);
    const { transforms, channels, width, height } = this.options;
    const { views, pixels } = transforms[image.view ?? 0]!;
    await decodeInto(
      image.name,
      bytes,
      channels,
      (whole) => ({
        ...views.reduce((view, transform) => transform.apply(view, draw), whole),
        ...{ width, height },
      }),
      into,
    );
    for (const transform of pixels) transform.change({ data: into, height, width, channels }, draw);
  }
}

/** Images of a source, decoded when they are read, several at a time, straight into the batch. */
export function imageSet(where: string, source: ImageSource, options: ImageSetOptions): ImageSet {
  const reader = new ImageReader(where, options, new Map(source.problems));
  const { views } = reader;
  const length = source.length * views;
  /** The image of a sample. */
  const imageOf = (index: number): number => {
    if (index >= 0 && index < length) return Math.floor(index / views);
    throw invalid(`there is no sample ${index} of ${length}`, 'Read indices below length.');
  };
  return {
    length,
    shape: reader.shape,
    dtype: 'uint8',
    classes: source.classes,
    broken: reader.broken,
    workers: reader.workers,
    views,
    nameOf: (index) => source.nameOf(imageOf(index)),
    labelOf: (index) => source.labelOf(imageOf(index)),
    encoded: async (index, signal) => source.read(imageOf(index), signal),
    read(indices, into, signal, pass) {
      const images = indices.map(imageOf);
      const request = (i: number): ImageRequest => {
        const image = images[i]!;
        return {
          index: indices[i]!,
          view: indices[i]! % views,
          name: source.nameOf(image),
          label: source.labelOf(image),
          bytes: (stop) => source.read(image, stop),
        };
      };
      return reader.read(indices.length, request, into, signal, pass);
    },
  };
}
