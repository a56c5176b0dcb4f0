import type { NativeControl } from '../../typings/native.js';
import { elementsOf } from '../graph/shape.js';
import type { Executable } from '../runtime/executable.js';
import type { Images } from './images.js';
import { auxiliaryLosses, sumsOf, type StepSums } from './metrics.js';
import type { Floats } from './slabs.js';
import type { StepBatch } from './step.js';
import type { TargetRules, Targets } from './targets.js';

/** What a pass over all parts of a batch has added up. */
export interface Accumulated {
  sums: StepSums;
  auxiliary: number[];
  /** Images of the last part. */
  last: number;
  /** The network's output for all images, where the program gives it. */
  logits?: Floats;
}

/**
 * The gradients of a batch of n images as sums over parts of at most `most` images. Each pass divides its
 * loss by its own divisor: the loss scale makes that the divisor of the whole batch. While a part runs the
 * next one is staged.
 */
export async function runParts(
  executable: Executable,
  { x, target: targets }: StepBatch,
  n: number,
  given: {
    most: number;
    rules: TargetRules;
    control: NativeControl;
    /** Auxiliary outputs of the network. */
    heads: number;
  },
): Promise<Accumulated> {
  const { rules, control } = given;
  const whole = rules.divisor!(targets, n);
  const parts = partsOf(n, given.most);
  const stage = (part: Part, slot: 0 | 1): Targets => {
    const target = sliceOf(targets, part, n);
    executable.stage(slot, { images: sliceOf(x, part, n), target });
    return target;
  };
  const sums: StepSums = { loss: 0, weight: 0, count: 0, top1: 0, top5: 0 };
  const auxiliary = Array.from({ length: given.heads }, () => 0);
  const logits = logitsOf(executable, n);
  let slot: 0 | 1 = 0;
  let target = stage(parts[0]!, slot);
  for (const [i, { begin, count }] of parts.entries()) {
    const share = whole === 0 ? 0 : rules.divisor!(target, count) / whole;
    const running = executable.run({
      ...{ n: count, slot, range: 'gradients' },
      control: { ...control, sampleOffset: begin, lossScale: control.lossScale * share },
    });
    slot = slot === 0 ? 1 : 0;
    const next = parts[i + 1];
    if (next !== undefined) target = stage(next, slot);
    const { outputs } = await running;
    const part = sumsOf(outputs, count);
    logits?.set(outputs.logits as Floats, (begin * logits.length) / n);
    // A loss without statistics is no sum over images, but counts by its share.
    if (!('statistics' in outputs)) part.loss *= (share * n) / count;
    for (const key of ['loss', 'weight', 'count', 'top1', 'top5'] as const) sums[key] += part[key];
    auxiliaryLosses(outputs, auxiliary.length).forEach((loss, head) => {
      // Of a part in which nothing counts the mean is not a number.
      if (share > 0) auxiliary[head]! += loss * share;
    });
  }
  return { sums, auxiliary, last: parts.at(-1)!.count, ...(logits && { logits }) };
}

/** Memory for the network's output, where the program gives it. */
function logitsOf({ program }: Executable, n: number): Floats | undefined {
  const port = program.outputs.find(({ name }) => name === 'logits');
  if (port === undefined) return undefined;
  const length = n * elementsOf(port.shape);
  return port.dtype === 'float64' ? new Float64Array(length) : new Float32Array(length);
}

/** Images of a batch that pass together. */
interface Part {
  begin: number;
  count: number;
}

/** Images of the smallest part. */
export function leastPart(n: number, most: number): number {
  return Math.floor(n / Math.ceil(n / most));
}

/** The fewest parts of at most `most` images each, in sizes that differ by one at most. */
function partsOf(n: number, most: number): Part[] {
  const parts = Math.ceil(n / most);
  return Array.from({ length: parts }, (_, i) => {
    const begin = Math.floor((i * n) / parts);
    return { begin, count: Math.floor(((i + 1) * n) / parts) - begin };
  });
}

/** The part's range of an array that holds the same for each of n images. */
function sliceOf<A extends Images | Targets>(values: A, { begin, count }: Part, n: number): A {
  const each = values.length / n;
  return values.subarray(begin * each, (begin + count) * each) as A;
}
