import type { ParameterInit } from '../initializers/index.js';
import type { AttributeValues, OpDefinition, Target } from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import type { OptionRules } from './options.js';
import type { Fit, Shape } from './shape.js';
import type { Value } from './value.js';

/** Something JSON can hold; layer options are. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export interface ParameterSpec extends ParameterInit {
  /** `w`, `b`, `gamma`, ...: the part of the name after the dot. */
  readonly name: string;
  /** `false` for running statistics: they live in the category `state` and get no gradient. */
  readonly trainable: boolean;
}

/**
 * A kind of layer: its options, shape rule, parameters, and forward pass as ops. The backward pass
 * follows from the ops.
 */
export interface LayerDefinition<Options extends object = object> {
  /** The factory's name: `conv2d`. Stands in JSON. */
  readonly kind: string;
  /** Names are `<prefix><number>`: `conv1`. */
  readonly prefix: string;
  /** Number of inputs, or 'many'. */
  readonly arity: number | 'many';
  /** How each option is read; an option without a rule is refused. */
  readonly options: OptionRules<Options>;
  /** The output can lie where the input lay: it is counted as taking no memory of its own. */
  readonly inPlace?: boolean;
  /** `false` for what reduces over the batch: the output is one number, not one an image. */
  readonly batched?: boolean;
  /** The volume after the layer; throws ShapeError. `fit` is the network's when the layer has none. */
  shape(inputs: readonly Shape[], options: Options, context: ShapeContext): Shape;
  parameters?(inputs: readonly Shape[], options: Options, output: Shape): readonly ParameterSpec[];
  /**
   * What an output pixel sees of its inputs; `'whole'`: everything. Absent: the pixel at its own place,
   * where input and output have one height and width.
   */
  window?(inputs: readonly Shape[], options: Options, context: ShapeContext): LayerWindow | 'whole';
  /** Additions and multiplications of one image, forward, each counted as one. Absent: one a value. */
  flops?(inputs: readonly Shape[], output: Shape, options: Options): number;
  forward(scope: ForwardScope, inputs: readonly Tensor[], options: Options): Tensor;
}

/** The window of an output pixel, as `[vertical, horizontal]`, in pixels of the input. */
export interface LayerWindow {
  /** Its extent, dilation included. */
  readonly size: readonly [number, number];
  /** From one output to the next; below 1 where the layer enlarges. */
  readonly stride: readonly [number, number];
  /** How far the first window begins before the input: the padding. */
  readonly before: readonly [number, number];
}

export interface ShapeContext {
  readonly fit: Fit;
  /** Whether each input has one entry an image. */
  readonly batched: readonly boolean[];
}

/** What a layer's forward pass emits ops through. */
export interface ForwardScope {
  readonly mode: 'train' | 'infer';
  /** In inference too what the gradients need must be there: they are asked for. */
  readonly differentiated?: boolean;
  readonly dtype: 'float32' | 'float64';
  /** The layer's name, unique in the network. */
  readonly layer: string;
  /** The network's `fit`; a layer's own option goes first. */
  readonly fit: Fit;
  /** The shape that the layer's rule gave. */
  readonly outputShape: Shape;
  parameter(name: string): Tensor;
  /** A new activation. */
  tensor(
    shape: readonly number[],
    options?: { name?: string; batched?: boolean; dtype?: 'uint8' | 'int32' },
  ): Tensor;
  /** A vector of numbers that never change. */
  constant(name: string, values: readonly number[]): Tensor;
  emit(
    op: OpDefinition,
    attributes: AttributeValues,
    operands: Record<string, Tensor | Target | undefined>,
  ): void;
  /** An instruction that changes state at the end of the step and reads the commit flag. */
  commit(
    op: OpDefinition,
    attributes: AttributeValues,
    operands: Record<string, Tensor | Target | undefined>,
  ): void;
  /** The same elements under another shape. */
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  /** Joins along channels: without a copy where the inputs can be written in place. */
  concat(xs: readonly Tensor[]): Tensor;
}

/** A layer with its options: call it with values. Applied twice it shares its parameters. */
export interface Layer {
  (...inputs: Value[]): Value;
  readonly kind: string;
  /** In full: every default is spelt out. */
  readonly options: Readonly<Record<string, Json | undefined>>;
  /** The name that the user gave, with the scopes around it. */
  readonly givenName: string | undefined;
  /** The scopes in which the layer was made, joined by `/`; '' outside of any. */
  readonly scope: string;
  readonly definition: LayerDefinition;
}
