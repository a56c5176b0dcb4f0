import type { HostTensor } from '../formats/safetensors.js';
import type { Layer } from '../graph/layer.js';
import type { Network } from '../graph/network.js';
import type { NetworkNode } from '../graph/nodes.js';
import { kindOf } from './fully-convolutional.js';
import { parameterOf, requireWeighted, Rewriting, type NetworkWithWeights } from './weighted.js';

const globalPools: Readonly<Record<string, string>> = {
  avgPool2d: 'globalAvgPool2d',
  maxPool2d: 'globalMaxPool2d',
};

/**
 * The reverse of `toFullyConvolutional`: a convolution whose filters cover its whole input becomes the equal
 * dense layer, pooling of the whole plane global pooling, and the volumes `[1, 1, C]` after them vectors
 * `[C]`, up to the output or to a layer that needs a volume. Names stay, weights are carried over.
 *
 * @throws StriateError INVALID_ARGUMENT for weights that the network does not have.
 */
export function toDense(source: NetworkWithWeights): NetworkWithWeights {
  requireWeighted(source, 'toDense');
  const { network } = source;
  const weights = new Map<string, HostTensor>(source.weights);
  const vectors = vectorNodes(network);
  const rewriting = new Rewriting(network);
  for (const node of network.nodes) {
    const { name, layer } = node;
    const change = vectors.has(node.id) ? vectorLayer(node, network) : undefined;
    if (layer === null || change === undefined) rewriting.keep(node);
    else if (change.kind === 'dense') {
      const { filters, bias, init, biasInit } = layer.options;
      const options = { units: filters, bias, init, biasInit };
      rewriting.keep(node, { layer: rewriting.layer(kindOf('dense'), name, options) });
      const [height, width, channels] = network.nodes[node.inputs[0]!]!.shape;
      const inputs = height! * width! * channels!;
      const units = filters as number;
      // Of a layer that is applied twice the matrix stands there already.
      if (weights.get(`${name}.w`)?.shape.length !== 2) {
        const shape = [height!, width!, channels!, units];
        const { dtype, data } = parameterOf(weights, `${name}.w`, shape);
        weights.set(`${name}.w`, { dtype, shape: [inputs, units], data });
      }
    } else if (change.kind === 'keep') rewriting.keep(node);
    else rewriting.keep(node, { layer: rewriting.layer(kindOf(change.kind), name, {}) });
  }
  return { network: rewriting.network(), weights };
}

/** How a node gives a vector: as a dense layer, by global pooling, or as it is, from vectors. */
function vectorLayer(
  { layer, inputs, shape }: NetworkNode,
  network: Network,
): { kind: 'dense' | 'globalAvgPool2d' | 'globalMaxPool2d' | 'keep' } | undefined {
  if (layer === null || shape.length !== 3 || shape[0] !== 1 || shape[1] !== 1) return undefined;
  const from = network.nodes[inputs[0]!]!.shape;
  const slides = layer.kind === 'conv2d' || layer.kind in globalPools;
  const whole = slides && coversWhole(layer, from);
  if (layer.kind === 'conv2d')
    return whole && layer.options.groups === 1 ? { kind: 'dense' } : undefined;
  const pool = globalPools[layer.kind];
  if (pool !== undefined) {
    const alone = from[0]! > 1 || from[1]! > 1;
    return whole && alone ? { kind: pool as 'globalAvgPool2d' } : undefined;
  }
  const pointwise = layer.definition.window === undefined && layer.kind !== 'reshape';
  const pixels = inputs.every((id) => {
    const volume = network.nodes[id]!.shape;
    return volume.length === 3 && volume[0] === 1 && volume[1] === 1;
  });
  return pointwise && pixels ? { kind: 'keep' } : undefined;
}

/** One window, without padding, that is the plane. */
function coversWhole({ options }: Layer, [height, width]: readonly number[]): boolean {
  const { size, padding, dilation = [1, 1] } = options;
  const [h, w] = size as readonly [number, number];
  const pads = padding === 'same' ? [1] : Object.values(padding as Record<string, number>);
  const contiguous = (dilation as readonly number[]).every((step) => step === 1);
  return h === height && w === width && contiguous && pads.every((pad) => pad === 0);
}

/**
 * Nodes that become vectors: dense layers take volumes and vectors alike; all other layers read vectors only
 * where everything that they read and give is one.
 */
function vectorNodes(network: Network): Set<number> {
  const chosen = new Set(
    network.nodes.filter((node) => vectorLayer(node, network)).map(({ id }) => id),
  );
  const kindIn = (node: NetworkNode): string | undefined => vectorLayer(node, network)?.kind;
  for (let before = -1; before !== chosen.size;) {
    before = chosen.size;
    for (const node of network.nodes) {
      const { id, inputs, layer } = node;
      if (layer === null) continue;
      if (chosen.has(id) && kindIn(node) === 'dense') continue;
      const own = chosen.has(id) && kindIn(node) === 'keep';
      if (own && !inputs.every((input) => chosen.has(input))) chosen.delete(id);
      // Dense layers and layers between vectors read vectors; flatten and reshape take anything.
      if (!chosen.has(id) && !['dense', 'flatten', 'reshape'].includes(layer.kind))
        for (const input of inputs) chosen.delete(input);
    }
    for (const ids of applications(network))
      if (ids.some((id) => !chosen.has(id))) for (const id of ids) chosen.delete(id);
  }
  return chosen;
}

/** Applications of one layer share its parameters, so they stay alike. */
function applications(network: Network): Iterable<number[]> {
  const groups = new Map<string, number[]>();
  for (const { id, name } of network.nodes) groups.set(name, [...(groups.get(name) ?? []), id]);
  return groups.values();
}
