import { ShapeError } from '../errors.js';
import type { Layer, ParameterSpec } from './layer.js';
import { sameShape, type Fit, type Shape } from './shape.js';
import { inferShape, type ValueType } from './value.js';

/** One application of a layer, or an input; one output each. */
export interface NetworkNode {
  readonly id: number;
  /** Unique; two applications of one layer with parameters bear its name. */
  readonly name: string;
  /** Null for an input. */
  readonly layer: Layer | null;
  /** Nodes by id, all lower than this one's. */
  readonly inputs: readonly number[];
  /** Without the batch. */
  readonly shape: Shape;
  readonly dtype: ValueType;
  /** One entry an image; `false` after a reduction over the batch. */
  readonly batched: boolean;
}

export interface NetworkParameter {
  /** `conv1.w` */
  readonly name: string;
  /** `conv1` */
  readonly layer: string;
  readonly spec: ParameterSpec;
}

/** A node before its shape is known; inputs have theirs. */
export type NodeDescription = Pick<NetworkNode, 'name' | 'layer' | 'inputs'> & {
  readonly shape?: Shape | undefined;
  readonly dtype?: ValueType | undefined;
};

/** Infers the node's shape from the nodes before it. */
export function completeNode(
  id: number,
  { name, layer, inputs, shape, dtype }: NodeDescription,
  before: readonly NetworkNode[],
  fit: Fit,
): NetworkNode {
  if (layer === null) {
    return Object.freeze({
      id,
      name,
      layer,
      inputs: [],
      shape: shape!,
      dtype: dtype ?? 'float32',
      batched: true,
    });
  }
  const sources = inputs.map((input) => before[input]!);
  return Object.freeze({
    id,
    name,
    layer,
    inputs: Object.freeze([...inputs]),
    shape: inferShape(layer, name, sources, fit),
    dtype: 'float32',
    batched: layer.definition.batched ?? sources.some((source) => source.batched),
  });
}

/** The parameters of each layer once; a layer applied twice must need the same ones both times. */
export function collectParameters(nodes: readonly NetworkNode[]): NetworkParameter[] {
  const byLayer = new Map<string, readonly ParameterSpec[]>();
  for (const { name, layer, inputs, shape } of nodes) {
    if (layer?.definition.parameters === undefined) continue;
    const specs = layer.definition.parameters(
      inputs.map((input) => nodes[input]!.shape),
      layer.options,
      shape,
    );
    const shared = byLayer.get(name);
    if (shared === undefined) byLayer.set(name, specs);
    else requireSameParameters(name, shared, specs);
  }
  return [...byLayer].flatMap(([layer, specs]) =>
    specs.map((spec) => Object.freeze({ name: `${layer}.${spec.name}`, layer, spec })),
  );
}

function requireSameParameters(
  layer: string,
  first: readonly ParameterSpec[],
  second: readonly ParameterSpec[],
): void {
  for (const [i, spec] of first.entries()) {
    const other = second[i]!;
    if (sameShape(spec.shape, other.shape)) continue;
    throw new ShapeError(
      `${layer} is applied twice, but ${layer}.${spec.name} would be [${spec.shape.join(', ')}] and [${other.shape.join(', ')}]`,
      { remedy: 'Apply one layer to volumes with the same channels, or make two layers.' },
    );
  }
}
