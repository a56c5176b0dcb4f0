// What the kernels of a call move, and what they may.
import type { Runner } from '../ops/run.js';
import { type Given } from '../ops/run.js';
import { bytesOf } from '../../lib/program/program.js';
import { elements } from '../ops/cases.js';
import { countKernels, type KernelCount } from '../../lib/runtime/emulated.js';
import type { Work } from './layers.js';

export const sectorBytes = 32;

/** Sectors of an access, beside perfect coalescing. */
export const mostCoalescing = 1.1;
/** Sectors that blocks read, beside those that there are. */
const usualReads = 1.1;
/** Where neighbouring blocks share the border of a window. */
const windowReads = 1.3;

/** Ops whose kernels together move little beside their operands. */
const elementwise = new Set([
  ...['relu', 'reluBackward', 'binary', 'copy', 'fill', 'dropout', 'normalize', 'reduce', 'sgd'],
]);

export interface Measured extends KernelCount {
  layer: string;
  op: string;
  threeChannels: boolean;
  coalescing: number;
  /** Unique sectors summed over blocks, beside the distinct ones of the launch. */
  reread: number;
  rewritten: number;
  /** Both together. */
  moved: number;
}

/** Bytes that an op cannot do without: inputs once, outputs once or, added to, twice. */
export function bytesToMove({ given }: Work): number {
  const once = ({ shape, dtype, access }: Given): number =>
    elements(shape) * bytesOf[dtype] * (access === 'accumulate' ? 2 : 1);
  return Object.entries(given)
    .filter(([name]) => name !== 'workspace')
    .reduce((sum, [, operand]) => sum + once(operand), 0);
}

const ratio = (moved: number, least: number): number => (least === 0 ? 1 : moved / least);

export async function measure(runner: Runner, work: Work): Promise<Measured[]> {
  const counts = await countKernels(() => runner.run(work.op, work.attributes, work.given));
  return counts.map((count) => ({
    ...count,
    layer: work.layer,
    op: work.op,
    threeChannels: work.threeChannels,
    coalescing: count.sectors / count.perfectSectors,
    reread: ratio(count.uniqueReads, count.readFootprint),
    rewritten: ratio(count.uniqueWrites, count.writeFootprint),
    moved: ratio(
      count.uniqueReads + count.uniqueWrites,
      count.readFootprint + count.writeFootprint,
    ),
  }));
}

/** Ops that read the pixels around each one, or between which they lie. */
const neighbours = /^(localResponseNorm|localContrastNorm|resize2d)/;

const overlaps = ({ op, attributes: { sizeH, strideH } }: Work): boolean =>
  neighbours.test(op) || (sizeH !== undefined && strideH !== undefined && sizeH > strideH);

/**
 * Kernels above these bars, with what they are held to instead, by layer, op and kernel: depthwise
 * convolutions are grouped matrix products of one channel here; windows of 5x5 lie over tiles of 8x8; groups
 * of five and columns of local filters are read through the cache; eight rows of a block share the weights of
 * the classes; the lane of a label skips its place.
 */
const above: Readonly<Record<string, { coalescing?: number; sectors?: number }>> = {
  'mobilenet stride 1 conv2d im2col': { coalescing: 3.75, sectors: 2.5 },
  'mobilenet stride 1 conv2dBackwardData flipFilters': { sectors: 8 },
  'mobilenet stride 1 conv2dBackwardData im2col': { coalescing: 3.75, sectors: 2.5 },
  'mobilenet stride 1 conv2dBackwardFilter im2col': { coalescing: 3.75, sectors: 2.5 },
  'mobilenet stride 2 conv2d im2col': { coalescing: 4.4, sectors: 3.7 },
  'mobilenet stride 2 conv2dBackwardData col2im': { coalescing: 5.8, sectors: 3.2 },
  'mobilenet stride 2 conv2dBackwardFilter im2col': { coalescing: 4.4, sectors: 3.7 },
  'response norm 1 localResponseNorm localResponseNorm': { sectors: 1.53 },
  'response norm 1 localResponseNormBackward localResponseNormBackward': { sectors: 1.53 },
  'response norm 1 localResponseNormBackward localResponseNormShares': { sectors: 1.35 },
  'contrast norm localContrastNorm localContrastNorm': { sectors: 1.35 },
  'contrast norm localContrastNorm localContrastNormDistances': { sectors: 1.53 },
  'contrast norm localContrastNormBackward localContrastNormBackward': { sectors: 1.53 },
  'contrast norm localContrastNormBackward localContrastNormDistances': { sectors: 1.53 },
  'contrast norm localContrastNormBackward localContrastNormSlopes': { sectors: 1.35 },
  'maxout of 5 maxout maxout': { coalescing: 4.2 },
  'maxout of 5 maxoutBackward maxoutBackward': { coalescing: 4.2 },
  'locally connected locallyConnected2d locallyConnected2d': { coalescing: 1.18 },
  'locally connected locallyConnected2dBackwardData locallyConnected2dBackwardData': {
    coalescing: 1.96,
  },
  'svm svmHingeBackward svmHingeBackward': { coalescing: 1.25 },
  'class weights weightedCrossEntropy weightedCrossEntropy': { sectors: 1.11 },
};

/** Sentences about what a call moves too much. */
export function excesses(work: Work, kernels: readonly Measured[]): string[] {
  const wrong: string[] = [];
  const say = (kernel: string, what: string, ratio: number, most: number): void => {
    if (!(ratio <= most))
      wrong.push(
        `${work.layer} ${work.op}, ${kernel}: ${what} ${ratio.toFixed(3)}, at most ${most}`,
      );
  };
  for (const count of kernels) {
    const { kernel, coalescing, reread, rewritten, moved } = count;
    const known = above[`${work.layer} ${work.op} ${kernel}`] ?? {};
    say(kernel, 'coalescing', coalescing, known.coalescing ?? mostCoalescing);
    if (known.sectors !== undefined) say(kernel, 'sectors', moved, known.sectors);
    else if (kernel === 'im2col') {
      say(kernel, 'sectors read', reread, windowReads);
      say(kernel, 'sectors written', rewritten, usualReads);
    } else say(kernel, 'sectors', moved, overlaps(work) ? windowReads : usualReads);
  }
  if (elementwise.has(work.op)) {
    const sectors = kernels.reduce((sum, k) => sum + k.uniqueReads + k.uniqueWrites, 0);
    say('all kernels', 'bytes', (sectors * sectorBytes) / bytesToMove(work), usualReads);
  }
  return wrong;
}
