import { ShapeError, StriateError } from '../errors.js';
import type { Layer } from './layer.js';
import { checkName } from './names.js';
import { requireExtents, type Fit, type Shape } from './shape.js';

/** Numbers that flow between layers, or labels. */
export type ValueType = 'float32' | 'int32';

/** What a layer gives, or what enters the network: a volume an image, without numbers yet. */
export class Value {
  static #made = 0;

  /** The layer that makes it; null for an input. */
  readonly layer: Layer | null;
  readonly inputs: readonly Value[];
  readonly dtype: ValueType;
  /** The name of an input, when it was given one. */
  readonly name: string | undefined;
  /** One entry an image; `false` after `mean`, `sum`: one number for the whole batch. */
  readonly batched: boolean;
  /** In the order of making: inputs come before what is made of them. */
  readonly order: number;
  #shape: Shape | undefined;

  constructor(from: {
    layer: Layer | null;
    inputs: readonly Value[];
    dtype: ValueType;
    batched: boolean;
    name?: string | undefined;
    shape?: Shape;
  }) {
    this.layer = from.layer;
    this.inputs = from.inputs;
    this.dtype = from.dtype;
    this.batched = from.batched;
    this.name = from.name;
    this.order = Value.#made++;
    this.#shape = from.shape;
  }

  /**
   * Extents without the batch. Inferred when asked for, with `fit: 'exact'` where a layer says
   * nothing; a network infers again with its own `fit`.
   *
   * @throws ShapeError
   */
  get shape(): Shape {
    if (this.#shape !== undefined) return this.#shape;
    // A long chain is walked with a list of its own: the call stack would not hold it.
    const waiting: Value[] = [this];
    while (waiting.length > 0) {
      const value = waiting.at(-1)!;
      const open = value.inputs.filter((input) => input.#shape === undefined);
      if (value.#shape === undefined && open.length > 0) {
        waiting.push(...open);
        continue;
      }
      waiting.pop();
      value.#shape ??= inferShape(
        value.layer!,
        value.layer!.givenName ?? value.layer!.kind,
        value.inputs,
        'exact',
      );
    }
    return this.#shape!;
  }
}

/**
 * What enters a network: a volume `[height, width, channels]` or a vector `[features]`, without the
 * batch.
 *
 * @throws ShapeError for extents that are not whole numbers from 1.
 */
export function input(shape: Shape, options: { dtype?: ValueType; name?: string } = {}): Value {
  const given: unknown = shape;
  if (!Array.isArray(given) || given.length > 3) {
    throw new ShapeError('an input has one to three extents, without the batch', {
      remedy: 'Give [height, width, channels] or [features].',
    });
  }
  requireExtents(shape);
  const { dtype = 'float32', name } = options;
  if (dtype !== 'float32' && dtype !== 'int32') {
    throw new StriateError(
      'INVALID_ARGUMENT',
      `an input of type '${String(dtype)}' is not to be had`,
      {
        remedy:
          "Use 'float32' (images of bytes too: they are converted on the device) or 'int32' for labels.",
      },
    );
  }
  if (name !== undefined) checkName(name);
  return new Value({ layer: null, inputs: [], dtype, batched: true, name, shape: [...shape] });
}

/** A layer's output; its number of inputs and their types are checked here, shapes when asked for. */
export function applyLayer(layer: Layer, inputs: readonly Value[]): Value {
  const { arity, batched } = layer.definition;
  const label = layer.givenName ?? layer.kind;
  for (const value of inputs) {
    if (!(value instanceof Value)) {
      throw new StriateError(
        'INVALID_ARGUMENT',
        `${label} is applied to something that is not a Value`,
        {
          remedy:
            'Apply layers to what input() or other layers give, and call factories first: relu()(x).',
        },
      );
    }
    if (value.dtype !== 'float32') {
      throw new StriateError(
        'INVALID_ARGUMENT',
        `${label} is applied to an input of ${value.dtype}`,
        {
          remedy: 'Layers compute on float32 values.',
        },
      );
    }
  }
  if (arity === 'many' ? inputs.length < 1 : inputs.length !== arity) {
    const wanted =
      arity === 'many' ? 'at least one input' : arity === 1 ? 'one input' : `${arity} inputs`;
    throw new StriateError('INVALID_ARGUMENT', `${label} takes ${wanted}, not ${inputs.length}`, {
      remedy: 'Join several values with add() or concat().',
    });
  }
  return new Value({
    layer,
    inputs: [...inputs],
    dtype: 'float32',
    batched: batched ?? inputs.some((value) => value.batched),
  });
}

/** The layer's shape rule, its error opened with the layer's name. */
export function inferShape(
  layer: Layer,
  label: string,
  inputs: readonly { readonly shape: Shape; readonly batched: boolean }[],
  fit: Fit,
): Shape {
  try {
    const shape = layer.definition.shape(
      inputs.map((value) => value.shape),
      layer.options,
      { fit, batched: inputs.map((value) => value.batched) },
    );
    requireExtents(shape);
    return shape;
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const { remedy, details } = error;
    throw new ShapeError(`${label}: ${error.message}`, {
      ...(remedy === undefined ? {} : { remedy }),
      details: { ...details, layer: label },
    });
  }
}
