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

const overlaps = ({ attributes: { sizeH, strideH } }: Work): boolean =>
  sizeH !== undefined && strideH !== undefined && sizeH > strideH;

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
    say(kernel, 'coalescing', coalescing, mostCoalescing);
    if (kernel === 'im2col') {
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
