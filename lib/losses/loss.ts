import type { ForwardScope, Json } from '../graph/layer.js';
import type { Shape } from '../graph/shape.js';
import type { Tensor } from '../program/tensor.js';

/** What the network's output is compared with. */
export interface TargetSpec {
  /** `int32`: labels. */
  readonly dtype: 'int32' | 'float32';
  /** Of one image: `[]` for a label. */
  readonly shape: Shape;
}

export interface LossResult {
  readonly loss: Tensor;
  /**
   * `'statistics'`: four numbers (sum of the losses, rows that count, first place, among the first
   * five), whose op needs no gradient from above, and a fifth, by which the sum is divided, where that is
   * not the rows that count. `'scalar'`: one number, the mean over the batch.
   */
  readonly form: 'statistics' | 'scalar';
}

/**
 * What the loss of a target of so many images is divided by: the images, the labels that count, their
 * weights. A loss that is a sum is divided by 1, and so are its parts.
 */
export type Divisor = (target: ArrayLike<number>, images: number) => number;

/** Of losses that are a mean over the images. */
export const byImages: Divisor = (_target, images) => images;

/** What training makes smaller: a description, like a layer. */
export interface Loss {
  /** The factory's name: `softmaxCrossEntropy`. */
  readonly kind: string;
  /** Plain data for checkpoints. */
  toJSON(): { readonly kind: string } & { readonly [key: string]: Json | undefined };
  /** The target that belongs to an output of this shape; throws ShapeError. */
  target(output: Shape): TargetSpec;
  /** Of losses that count hits: the number of classes. */
  classes?(output: Shape): number;
  /**
   * How the losses of a batch's parts make up its own, with an output of this shape: each counts by its
   * divisor. Needed for training in micro-batches; undefined, or absent, where they do not.
   */
  divisor?(output: Shape): Divisor | undefined;
  /** Emits the forward pass. The output is batched; the target is as `target` says. */
  forward(scope: ForwardScope, output: Tensor, target: Tensor): LossResult;
}
