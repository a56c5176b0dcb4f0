import { StriateError } from '../../errors.js';
import { checkNames, describe, invalid } from '../../graph/options.js';
import { Stream } from '../../initializers/philox.js';
import { sampleArrays, targetOf, type Dataset, type DataPass } from '../dataset.js';
import { readProbability } from './transforms.js';

/** Puts some of another image into an image. */
export interface Mixer {
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** Changes `own`; returns the share of it that is left, which is the share of its label. */
  mix(own: Uint8Array, other: Uint8Array, shape: MixShape, draw: Stream): number;
}

interface MixShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/**
 * Both images laid over each other, `l` of one and `1 - l` of the other, l from Beta(alpha, alpha); default
 * alpha 0.2 (Zhang et al., arXiv:1710.09412).
 */
export function mixup(options: { alpha?: number } = {}): Mixer {
  const alpha = readAlpha('mixup', options, 0.2);
  return {
    kind: 'mixup',
    options: { alpha },
    mix(own, other, _shape, draw) {
      const share = beta(alpha, draw);
      for (let i = 0; i < own.length; ++i)
        own[i] = Math.round(share * own[i]! + (1 - share) * other[i]!);
      return share;
    },
  };
}

/**
 * A rectangle of the other image, of the area `1 - l`, its middle anywhere, l from Beta(alpha, alpha); default
 * alpha 1. Labels count by the area that came in (Yun et al., arXiv:1905.04899; as torchvision's CutMix).
 */
export function cutmix(options: { alpha?: number } = {}): Mixer {
  const alpha = readAlpha('cutmix', options, 1);
  return {
    kind: 'cutmix',
    options: { alpha },
    mix(own, other, { height, width, channels }, draw) {
      const half = 0.5 * Math.sqrt(1 - beta(alpha, draw));
      const [x, y] = [width, height].map((extent) => Math.floor(draw.uniform() * extent));
      const [w, h] = [Math.floor(half * width), Math.floor(half * height)];
      const [left, right] = [Math.max(0, x! - w), Math.min(width, x! + w)];
      const [top, bottom] = [Math.max(0, y! - h), Math.min(height, y! + h)];
      for (let row = top; row < bottom; ++row) {
        const begin = (row * width + left) * channels;
        own.set(other.subarray(begin, begin + (right - left) * channels), begin);
      }
      return 1 - ((right - left) * (bottom - top)) / (width * height);
    },
  };
}

export interface MixOptions {
  /** Number of classes; default those that the set names. */
  classes?: number;
  /** Images that are mixed; default 1: all. */
  probability?: number;
  /** From 0 (default) to 1: what of each label is spread over all classes. */
  labelSmoothing?: number;
  /**
   * Where the other image comes from. `'set'` (default): any image, drawn by seed, epoch and index, so that a
   * sample does not depend on its batch; it is decoded for this. `'batch'`: the image before it in the batch, as
   * torchvision does, at no cost; then the batch size belongs to what a run must keep.
   */
  partner?: 'set' | 'batch';
}

/**
 * A set whose images are mixed in pairs, and their labels with them: targets are distributions `[classes]`,
 * for `softmaxCrossEntropy({ softTargets: true })`. Of several mixers one is drawn for each image. An image
 * that is skipped (label -1) has a target of zeros, which gives neither loss nor gradient, and is mixed into
 * none.
 * @throws StriateError `INVALID_ARGUMENT` for a set without random access or class indices
 */
export function mixed(set: Dataset, mixers: readonly Mixer[], options: MixOptions = {}): Dataset {
  const where = 'data.mixed';
  checkNames(where, ['classes', 'probability', 'labelSmoothing', 'partner'], options);
  const { probability = 1, labelSmoothing = 0, partner = 'set' } = options;
  const classes = options.classes ?? set.classes?.length ?? 0;
  readProbability(where, probability);
  readProbability(`${where}: labelSmoothing`, labelSmoothing);
  if (partner !== 'set' && partner !== 'batch')
    throw invalid(`${where}: partner is ${describe(partner)}`, "Give 'set' or 'batch'.");
  if (!Array.isArray(mixers) || mixers.length === 0)
    throw invalid(`${where}: there is no mixer`, 'Give [data.mixup(), data.cutmix()].');
  if (!Number.isInteger(classes) || classes < 1)
    throw invalid(`${where}: the set does not name its classes`, 'Give their number: classes.');
  const { dtype } = targetOf(set);
  const [height, width, channels] = set.shape;
  if (set.sequential || dtype !== 'int32' || set.dtype !== 'uint8' || set.shape.length !== 3)
    throw invalid(
      `${where} needs images of bytes by number, with class indices`,
      'Mix a set of images, before anything changes its targets.',
    );
  const shape = { height: height!, width: width!, channels: channels! };
  const bytes = shape.height * shape.width * shape.channels;
  const known = mixers as readonly Mixer[];

  /** What is drawn for a sample before any image is there. */
  const drawFor = (index: number, { seed, epoch }: DataPass) => {
    const draw = new Stream(seed, `mix/${epoch}/${index}`);
    const mixes = draw.uniform() < probability;
    const mixer = known[Math.floor(draw.uniform() * known.length)]!;
    const other = Math.min(set.length - 1, Math.floor(draw.uniform() * set.length));
    return { draw, mixes, mixer, other };
  };

  return {
    length: set.length,
    shape: set.shape,
    dtype: 'uint8',
    ...(set.classes === undefined ? {} : { classes: set.classes }),
    ...(set.workers === undefined ? {} : { workers: set.workers }),
    target: { dtype: 'float32', shape: [classes] },
    async read(indices, { x, target }, signal, pass = { seed: 0, epoch: 0 }) {
      const n = indices.length;
      const drawn = Array.from(indices, (index) => drawFor(index, pass));
      // Images that come in from outside stand behind the batch's own.
      const wanted = partner === 'set' ? drawn.filter(({ mixes }) => mixes) : [];
      const all = Uint32Array.from([...indices, ...wanted.map(({ other }) => other)]);
      const read = sampleArrays(set, all.length);
      await set.read(all, read, signal, pass);
      const images = read.x as Uint8Array;
      const imageAt = (i: number): Uint8Array => images.subarray(i * bytes, (i + 1) * bytes);
      let next = n;
      target.fill(0, 0, n * classes);
      for (const [i, { draw, mixes, mixer }] of drawn.entries()) {
        const own = (x as Uint8Array).subarray(i * bytes, (i + 1) * bytes);
        own.set(imageAt(i));
        const label = read.target[i]!;
        const second = partner === 'batch' ? (i + n - 1) % n : mixes ? next++ : i;
        const other = read.target[second]!;
        for (const found of [label, other]) checkLabel(found, classes, indices[i]!);
        if (label < 0) continue;
        const share = mixes && other >= 0 ? mixer.mix(own, imageAt(second), shape, draw) : 1;
        const row = target.subarray(i * classes, (i + 1) * classes);
        row.fill(labelSmoothing / classes);
        row[label]! += (1 - labelSmoothing) * share;
        if (share < 1) row[other]! += (1 - labelSmoothing) * (1 - share);
      }
    },
  };
}

function checkLabel(label: number, classes: number, sample: number): void {
  if (label < classes) return;
  throw new StriateError(
    'INVALID_DATA',
    `sample ${sample} is mixed with the label ${label}; there are ${classes} classes`,
    { remedy: 'Give data.mixed the number of classes.', details: { sample, label, classes } },
  );
}

function readAlpha(kind: string, options: { alpha?: number }, usual: number): number {
  checkNames(kind, ['alpha'], options);
  const { alpha = usual } = options;
  if (typeof alpha === 'number' && alpha > 0 && Number.isFinite(alpha)) return alpha;
  throw invalid(`${kind}: alpha is ${describe(alpha)}`, 'Give a number above 0.');
}

/** Beta(alpha, alpha), as the share of one of two gamma variables. */
function beta(alpha: number, draw: Stream): number {
  const [a, b] = [gamma(alpha, draw), gamma(alpha, draw)];
  return a + b === 0 ? Number(draw.uniform() < 0.5) : a / (a + b);
}

/** Marsaglia and Tsang, A simple method for generating gamma variables, 2000; below 1 by one more uniform. */
function gamma(shape: number, draw: Stream): number {
  if (shape < 1) return gamma(shape + 1, draw) * Math.pow((draw.word() + 1) * 2 ** -32, 1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const z = draw.normal();
    const v = (1 + c * z) ** 3;
    if (v <= 0) continue;
    const u = (draw.word() + 1) * 2 ** -32;
    if (Math.log(u) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v;
  }
}
