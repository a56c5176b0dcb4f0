import type { HostTensor } from '../formats/safetensors.js';
import { makeLayer } from '../graph/define-layer.js';
import type { Layer, LayerDefinition } from '../graph/layer.js';
import { Network } from '../graph/network.js';
import type { NetworkNode, NodeDescription } from '../graph/nodes.js';
import { invalid } from '../graph/options.js';
import { elementsOf, sameShape, type Fit, type Shape } from '../graph/shape.js';

/** What conversions take and give: a network, and its parameters and statistics by name. */
export interface NetworkWithWeights {
  readonly network: Network;
  readonly weights: ReadonlyMap<string, HostTensor>;
}

/** Floating-point contents of a parameter. */
export type Floats = Float32Array | Float64Array;

/** A network made of another one, node by node in its order. */
export class Rewriting {
  readonly #nodes: NodeDescription[] = [];
  /** New ids by old ones. */
  readonly #ids = new Map<number, number>();
  readonly #layers = new Map<string, Layer>();

  constructor(private readonly from: Network) {}

  /** The node with another layer, or (an input) another shape, or as it was. */
  keep(
    node: NetworkNode,
    change: { layer?: Layer; shape?: Shape; inputs?: readonly number[] } = {},
  ): void {
    const { name, shape, dtype, layer } = node;
    const inputs = (change.inputs ?? node.inputs).map((id) => this.#ids.get(id)!);
    this.#ids.set(node.id, this.#nodes.length);
    this.#nodes.push(
      layer === null
        ? { name, layer, inputs, shape: change.shape ?? shape, dtype }
        : { name, layer: change.layer ?? layer, inputs },
    );
  }

  /** Whoever read the node reads its input. */
  skip(node: NetworkNode): void {
    this.#ids.set(node.id, this.#ids.get(node.inputs[0]!)!);
  }

  /** A node after `node`, in whose place others will read it. */
  append(node: NetworkNode, name: string, layer: Layer): void {
    const id = this.#ids.get(node.id)!;
    this.#ids.set(node.id, this.#nodes.length);
    this.#nodes.push({ name, layer, inputs: [id] });
  }

  /** A layer of the given name: the same one each time, since applications of one layer share it. */
  layer(definition: LayerDefinition, name: string, options: object): Layer {
    const known = this.#layers.get(name);
    const made = known ?? makeLayer(definition, { ...options, name });
    this.#layers.set(name, made);
    return made;
  }

  network(fit: Fit = this.from.fit): Network {
    const renumbered = (ids: readonly number[]): number[] => ids.map((id) => this.#ids.get(id)!);
    return new Network({
      fit,
      nodes: this.#nodes,
      inputs: renumbered(this.from.inputs),
      outputs: renumbered(this.from.outputs),
      auxiliary: this.from.auxiliary.map(({ output, weight }) => ({
        output: this.#ids.get(output)!,
        weight,
      })),
    });
  }
}

/** Asserts a network with its weights, for callers in plain JavaScript. */
export function requireWeighted(source: NetworkWithWeights, conversion: string): void {
  const { network, weights } = source as Partial<NetworkWithWeights>;
  if (network instanceof Network && weights instanceof Map) return;
  throw invalid(
    `${conversion} takes a network with its weights`,
    'Give { network, weights }, with weights as readWeights() or weights() returns them.',
  );
}

/** The parameter that the network needs, checked. @throws StriateError INVALID_ARGUMENT */
export function parameterOf(
  weights: ReadonlyMap<string, HostTensor>,
  name: string,
  shape: Shape,
): { readonly dtype: 'float32' | 'float64'; readonly data: Floats } {
  const { data, ...tensor } = tensorOf(weights, name, shape);
  if (data instanceof Float32Array) return { dtype: 'float32', data };
  if (data instanceof Float64Array) return { dtype: 'float64', data };
  throw invalid(`${name} holds ${tensor.dtype}`, 'Store parameters as float32 or float64.');
}

function tensorOf(
  weights: ReadonlyMap<string, HostTensor>,
  name: string,
  shape: Shape,
): HostTensor {
  const tensor = weights.get(name);
  if (tensor === undefined)
    throw invalid(`the weights lack ${name}`, 'Give all weights of the network.');
  if (sameShape(tensor.shape, shape) && tensor.data.length === elementsOf(shape)) return tensor;
  throw invalid(
    `${name} is [${tensor.shape.join(', ')}], the network has [${shape.join(', ')}]`,
    'Give the weights of this network.',
  );
}
