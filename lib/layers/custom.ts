import { register, makeLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer, LayerDefinition, ParameterSpec } from '../graph/layer.js';
import { withoutScope } from '../graph/names.js';
import { nameNodes } from '../graph/naming.js';
import { checkNames, describe, invalid } from '../graph/options.js';
import { printShape, requireExtents, type Shape } from '../graph/shape.js';
import { lowerValues, valuesBefore } from '../graph/subgraph.js';
import { input, Value } from '../graph/value.js';
import { readInitializer, type Initializer } from '../initializers/index.js';

/** What a layer of the user's own is made of: values in, one value out. */
export type LayerFunction = (
  inputs: readonly Value[],
  parameters: Readonly<Record<string, Value>>,
) => Value;

export interface CustomLayerOptions {
  /** Number of values that the layer takes; default 1. */
  inputs?: number;
  /** Learned values of its own by name, `<layer>.<name>`. Shape `[]` is one number, which meets any shape. */
  parameters?: Readonly<Record<string, { readonly shape?: Shape; readonly init: Initializer }>>;
}

/** Makes layers of one kind, as `relu` does. */
export interface CustomLayerFactory {
  (options?: NamedOptions): Layer;
  readonly definition: LayerDefinition;
}

/**
 * A kind of layer from a function of values; its shape, and its gradient, follow from what the function
 * makes of them. Layers with parameters may stand inside: theirs are `<layer>.<inner>.w`, and the names of
 * the inner ones are numbered within the layer. The network's `fit` does not reach inside.
 *
 * ```ts
 * const swish = customLayer('swish', ([x], { beta }) => mul(x!, sigmoid()(mul(x!, beta!))),
 *   { parameters: { beta: { init: constant(1) } } });
 * sequential([8, 8, 3], [conv2d({ filters: 4, size: 3 }), swish()]);
 * ```
 *
 * The function is called with values whenever a shape is needed, and must make the same each time. A
 * network that holds such a layer is written to a file only when the kind was given to `registerLayer`.
 *
 * @param kind what it is called in networks and errors; layers are named `<kind>1`, ...
 * @throws StriateError INVALID_ARGUMENT for a kind, a function or parameters that are none.
 */
export function customLayer(
  kind: string,
  build: LayerFunction,
  options: CustomLayerOptions = {},
): CustomLayerFactory {
  if (typeof kind !== 'string' || !/^[A-Za-z][A-Za-z0-9_-]*$/.test(kind))
    throw invalid(`a kind of layer cannot be named ${describe(kind)}`, "Use letters: 'swish'.");
  if (typeof build !== 'function')
    throw invalid(`${kind} is made of ${describe(build)}`, 'Give a function: ([x]) => relu()(x).');
  checkNames('customLayer', ['inputs', 'parameters'], options);
  const { inputs: arity = 1 } = options;
  if (!Number.isSafeInteger(arity) || arity < 1)
    throw invalid(`${kind}: inputs is ${describe(arity)}`, 'Give a whole number, 1 or more.');
  const own = ownParameters(kind, options.parameters ?? {});
  const built = new Map<string, Built>();
  const builtFor = (shapes: readonly Shape[]): Built => {
    const key = JSON.stringify(shapes);
    const known = built.get(key) ?? withoutScope(() => buildValues(kind, build, shapes, own));
    built.set(key, known);
    return known;
  };
  const definition: LayerDefinition = {
    kind,
    prefix: kind,
    arity,
    options: {},
    shape: (shapes) => builtFor(shapes).result.shape,
    parameters: (shapes) => [...own, ...innerParameters(builtFor(shapes))],
    window: () => 'whole',
    forward(scope, tensors) {
      const { inputs, parameters, values, names, result } = builtFor(
        tensors.map(({ shape }) => shape),
      );
      const entering = new Map(inputs.map((value, i) => [value, tensors[i]!]));
      for (const [name, value] of Object.entries(parameters))
        entering.set(value, scope.parameter(name));
      return lowerValues(scope, values, entering, names).get(result)!;
    },
  };
  const factory = (given: NamedOptions = {}): Layer => makeLayer(definition, given);
  return Object.assign(factory, { definition });
}

/**
 * Lets networks with layers of this kind be written to files and read again: wherever they are read, the
 * same kind must be registered first.
 *
 * @throws StriateError INVALID_ARGUMENT for a kind that there is already.
 */
export function registerLayer(factory: CustomLayerFactory): void {
  const { definition } = Object(factory) as Partial<CustomLayerFactory>;
  if (definition === undefined || 'kind' in factory)
    throw invalid(
      `registerLayer takes ${describe(factory)}`,
      'Give what customLayer() returned, not a layer.',
    );
  register(definition);
}

interface Built {
  readonly inputs: readonly Value[];
  readonly parameters: Readonly<Record<string, Value>>;
  /** In an order in which inputs come first, each with its name. */
  readonly values: readonly Value[];
  readonly names: readonly string[];
  readonly result: Value;
}

function buildValues(
  kind: string,
  build: LayerFunction,
  shapes: readonly Shape[],
  own: readonly ParameterSpec[],
): Built {
  const inputs = shapes.map((shape) => input(shape));
  const parameters = Object.fromEntries(
    own.map(({ name, shape }) => [
      name,
      new Value({ layer: null, inputs: [], dtype: 'float32', batched: false, shape }),
    ]),
  );
  const result: unknown = build(inputs, parameters);
  if (!(result instanceof Value) || result.layer === null)
    throw invalid(
      `${kind}: the function returned ${result instanceof Value ? 'its argument' : describe(result)}`,
      'Return what a layer gives.',
    );
  const values = valuesBefore(result);
  const entering = new Set<Value>([...inputs, ...Object.values(parameters)]);
  if (values.some((value) => value.layer === null && !entering.has(value)))
    throw invalid(`${kind}: the function uses a value from outside`, 'Use its arguments only.');
  const unused = inputs.findIndex((value) => !values.includes(value));
  if (unused >= 0)
    throw invalid(`${kind}: the function does not use input ${unused}`, 'Leave the input out.');
  if (!result.batched)
    throw invalid(
      `${kind}: the function gives ${printShape(result.shape)} for the whole batch`,
      'A layer gives an output an image; mean() and sum() belong to losses.',
    );
  return { inputs, parameters, values, names: nameNodes(values), result };
}

/** Of the layers inside, each once. */
function innerParameters({ values, names }: Built): ParameterSpec[] {
  const found = new Map<string, ParameterSpec>();
  for (const [i, { layer, inputs, shape }] of values.entries()) {
    const specs = layer?.definition.parameters?.(
      inputs.map((from) => from.shape),
      layer.options,
      shape,
    );
    for (const spec of specs ?? []) {
      const name = `${names[i]!}.${spec.name}`;
      found.set(name, { ...spec, name });
    }
  }
  return [...found.values()];
}

function ownParameters(
  kind: string,
  given: NonNullable<CustomLayerOptions['parameters']>,
): ParameterSpec[] {
  return Object.entries(given).map(([name, parameter]) => {
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name))
      throw invalid(`${kind}: a parameter cannot be named ${describe(name)}`, "Use letters: 'a'.");
    const { shape = [], init } = Object(parameter) as typeof parameter;
    requireExtents(shape);
    return {
      name,
      shape,
      trainable: true,
      init: readInitializer(init, `${kind}: ${name}.init`),
      fanIn: 1,
      fanOut: 1,
    };
  });
}
