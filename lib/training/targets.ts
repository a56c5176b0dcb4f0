import type { TargetKind } from '../data/dataset.js';
import { StriateError } from '../errors.js';
import { elementsOf, type Shape } from '../graph/shape.js';
import type { Divisor, Loss } from '../losses/loss.js';
import type { ComputeType } from '../program/precision.js';
import { convertData } from './weights.js';

/** What a loss compares with: class indices, or numbers. */
export type Targets = Int32Array | Float32Array | Float64Array;

/** What a loss asks of its targets, checked before every step. */
export class TargetRules {
  readonly kind: TargetKind;
  /** Number of classes; undefined for losses that do not classify. */
  readonly classes: number | undefined;
  /** See `Loss.divisor`; undefined where the parts of a batch do not make up its loss. */
  readonly divisor: Divisor | undefined;
  /** The label of samples that do not count. */
  private readonly ignored: number | undefined;

  constructor(
    loss: Loss,
    output: Shape,
    private readonly dtype: ComputeType,
  ) {
    this.kind = loss.target(output);
    this.classes = loss.classes?.(output);
    this.divisor = loss.divisor?.(output);
    const { ignoreLabel } = loss.toJSON();
    this.ignored = typeof ignoreLabel === 'number' ? ignoreLabel : undefined;
  }

  /**
   * The targets of n images as the program takes them.
   * @param indices the samples' numbers in their data set, for errors
   * @throws StriateError `INVALID_ARGUMENT` for the wrong type or length, `INVALID_DATA` for a label
   *   that is no class.
   */
  check(target: unknown, n: number, indices?: Uint32Array): Targets {
    const { dtype, shape } = this.kind;
    const expected = n * elementsOf(shape);
    if (dtype === 'int32') {
      if (!(target instanceof Int32Array)) throw wrongType('an Int32Array of class indices');
      checkLength(target.length, expected, n);
      this.checkLabels(target, indices);
      return target;
    }
    if (!(target instanceof Float32Array) && !(target instanceof Float64Array))
      throw wrongType('a Float32Array');
    checkLength(target.length, expected, n);
    return convertData('target', target, this.dtype);
  }

  private checkLabels(labels: Int32Array, indices: Uint32Array | undefined): void {
    const classes = this.classes ?? Infinity;
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i] as number;
      if ((label >= 0 && label < classes) || label === this.ignored) continue;
      const sample = indices?.[i] ?? i;
      throw new StriateError(
        'INVALID_DATA',
        `sample ${sample} has the label ${label}; there are ${classes} classes, 0 to ${classes - 1}`,
        {
          remedy: 'Correct the label, or give the network more outputs.',
          details: { sample, label, classes },
        },
      );
    }
  }
}

function wrongType(what: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `the target is not ${what}`, {
    remedy: 'Give the type that the loss asks for.',
  });
}

function checkLength(actual: number, expected: number, n: number): void {
  if (actual === expected) return;
  throw new StriateError(
    'INVALID_ARGUMENT',
    `the target has ${actual} elements, ${n} images need ${expected}`,
    { remedy: 'Give one target an image.', details: { expected, actual } },
  );
}
