import { ShapeError } from '../errors.js';
import type { ForwardScope, Layer } from '../graph/layer.js';
import { describe, invalid } from '../graph/options.js';
import { printShape, requireExtents, type Shape } from '../graph/shape.js';
import { lowerValues, valuesBefore } from '../graph/subgraph.js';
import { input, Value } from '../graph/value.js';
import type { Tensor } from '../program/tensor.js';
import { byImages, type Divisor, type Loss, type TargetSpec } from './loss.js';

/** A loss written with values: `(y, target) => mean(square(sub(y, target)))`. */
export type LossFunction = (y: Value, target: Value) => Value;

/**
 * A loss from a function of the network's output and the target. The function is called with values,
 * once for each shape of output; what it builds becomes part of the training program, its gradient
 * included. It must end in one number for the batch (`mean` or `sum`) that depends on the output.
 *
 * @param target what one image is compared with; default: float32 numbers of the output's shape
 * @throws StriateError INVALID_ARGUMENT, when training is set up, for a function that gives anything
 * else, and for layers with parameters inside; ShapeError for shapes that do not fit.
 */
export function customLoss(build: LossFunction, target: Partial<TargetSpec> = {}): Loss {
  if (typeof build !== 'function') {
    throw invalid(
      `a loss is a function of values, not ${describe(build)}`,
      'Write (y, target) => mean(...).',
    );
  }
  const specFor = (output: Shape): TargetSpec => {
    const { dtype = 'float32', shape = output } = target;
    if (dtype !== 'float32') {
      throw invalid(
        `the target of an own loss is ${describe(dtype)}`,
        "Give float32 numbers: dtype: 'float32'.",
      );
    }
    requireExtents(shape);
    return { dtype, shape };
  };
  return {
    kind: 'custom',
    toJSON: () => ({ kind: 'custom', target: { dtype: target.dtype, shape: target.shape } }),
    target(output) {
      const spec = specFor(output);
      buildGraph(build, output, spec);
      return spec;
    },
    divisor: (output) => divisorOf(buildGraph(build, output, specFor(output))),
    forward(scope, output, targetTensor) {
      const graph = buildGraph(build, output.shape, specFor(output.shape));
      return { loss: lower(graph, scope, output, targetTensor), form: 'scalar' };
    },
  };
}

interface LossGraph {
  readonly y: Value;
  readonly target: Value;
  /** In an order in which inputs come first. */
  readonly values: readonly Value[];
  readonly result: Value;
}

function buildGraph(build: LossFunction, output: Shape, { shape }: TargetSpec): LossGraph {
  const y = input(output, { name: 'output' });
  const target = input(shape, { name: 'target' });
  const result: unknown = build(y, target);
  if (!(result instanceof Value)) {
    throw invalid(
      `the loss function returned ${describe(result)}, not a Value`,
      'Return mean(...) or sum(...).',
    );
  }
  const values = valuesBefore(result);
  for (const value of values) checkPart(value, y, target);
  if (!values.includes(y)) {
    throw invalid(
      "the loss does not depend on the network's output",
      'Use the first argument of the function.',
    );
  }
  if (result.batched || result.shape.length > 0) {
    throw new ShapeError(
      `the loss is ${printShape(result.shape)}${result.batched ? ' for each image' : ''}, not one number`,
      {
        remedy: 'End the function in mean(...) or sum(...).',
      },
    );
  }
  return { y, target, values, result };
}

const sumDivisor: Divisor = () => 1;

/**
 * Means over the batch, and what is linear in them, are means over its parts; sums add up. Undefined for
 * anything else: the root of a mean, a mean with a sum, values for each image that depend on all images.
 */
function divisorOf({ values, result }: LossGraph): Divisor | undefined {
  const known = new Map<Value, Divisor>();
  for (const value of values) {
    const { layer, batched, inputs } = value;
    if (layer === null) continue;
    if (batched) {
      if (inputs.some((from) => !from.batched)) return undefined;
      continue;
    }
    const divisor = inputs.every((from) => from.batched)
      ? { mean: byImages, sum: sumDivisor }[layer.kind]
      : linearDivisor(
          layer,
          inputs.map((from) => known.get(from)),
        );
    if (divisor !== undefined) known.set(value, divisor);
  }
  return known.get(result);
}

/** Of a value made of means alone or sums alone, by a layer that is linear in each. */
function linearDivisor(
  { kind }: Layer,
  [first, ...others]: (Divisor | undefined)[],
): Divisor | undefined {
  const alike = others.every((other) => other === first);
  if (['add', 'sub', 'scale', 'neg'].includes(kind) && alike) return first;
  // A number that is added counts by its share with means, but once a part with sums.
  return kind === 'shift' && first === byImages ? first : undefined;
}

function checkPart(value: Value, y: Value, target: Value): void {
  const { layer } = value;
  if (layer === null && value !== y && value !== target) {
    throw invalid('the loss uses a value from outside the function', 'Use the two arguments only.');
  }
  if (layer?.definition.parameters !== undefined) {
    throw invalid(
      `the loss holds ${layer.kind}, a layer with parameters`,
      'Put it into the network.',
    );
  }
}

function lower(graph: LossGraph, scope: ForwardScope, output: Tensor, target: Tensor): Tensor {
  const entering = new Map([
    [graph.y, output],
    [graph.target, target],
  ]);
  const names = graph.values.map(({ layer }, i) => `${layer?.kind ?? 'input'}${i}`);
  return lowerValues(scope, graph.values, entering, names).get(graph.result)!;
}
