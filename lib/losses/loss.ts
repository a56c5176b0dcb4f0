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
   * What the loss of this target is divided by: images or labels that count. Needed for training in
   * micro-batches; absent for losses that have no such number.
   */
  count?(target: ArrayLike<number>, images: number): number;
  /** Emits the forward pass. The output is batched; the target is as `target` says. */
  forward(scope: ForwardScope, output: Tensor, target: Tensor): LossResult;
}
