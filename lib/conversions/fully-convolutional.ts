import type { HostTensor } from '../formats/safetensors.js';
import { findLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import type { NetworkNode } from '../graph/nodes.js';
import { describe, invalid } from '../graph/options.js';
import { elementsOf, sameShape, type Shape } from '../graph/shape.js';
import { parameterOf, requireWeighted, Rewriting, type NetworkWithWeights } from './weighted.js';

/** Layers that take each number alone, whatever shape it stands in. */
const elementwise = new Set([
  ...['relu', 'leakyRelu', 'elu', 'sigmoid', 'tanh', 'softplus', 'silu', 'gelu', 'hardSwish'],
  ...['dropout', 'scale', 'shift', 'abs', 'exp', 'log', 'neg', 'sqrt', 'square'],
  ...['add', 'sub', 'mul', 'div'],
]);

const globalPools: Readonly<Record<string, string>> = {
  globalAvgPool2d: 'avgPool2d',
  globalMaxPool2d: 'maxPool2d',
};

type Volume = readonly [number, number, number];

/**
 * The equal network without dense layers: each becomes the convolution whose filters cover its whole input
 * (7x7x512 -> 4096 becomes filters of 7x7), `flatten` goes, global pooling becomes pooling of that size at
 * stride 1. What gave a vector `[C]` gives a volume `[1, 1, C]`; names stay, weights are carried over (dense
 * weights `[H W C, units]` lie in memory as the filters `[H, W, C, units]` do).
 *
 * Nothing in the result depends on the size of the images any more: `slide()` gives it larger ones.
 *
 * @throws StriateError INVALID_ARGUMENT for a layer that has no such form, and for weights that the network
 * does not have.
 */
export function toFullyConvolutional(source: NetworkWithWeights): NetworkWithWeights {
  requireWeighted(source, 'toFullyConvolutional');
  const { network } = source;
  const weights = new Map(source.weights);
  const rewriting = new Rewriting(network);
  // The volume that each vector was made of, or is taken as.
  const volumes: Volume[] = [];
  for (const node of network.nodes)
    volumes.push(convolutional(node, network.nodes, volumes, rewriting, weights));
  return { network: rewriting.network(), weights };
}

/** Adds the node's equal; returns its volume. */
function convolutional(
  node: NetworkNode,
  nodes: readonly NetworkNode[],
  volumes: readonly Volume[],
  rewriting: Rewriting,
  weights: Map<string, HostTensor>,
): Volume {
  const { name, layer, inputs, shape } = node;
  if (layer === null) {
    const volume = volumeOf(shape);
    if (volume === undefined)
      throw unable(`the input [${shape.join(', ')}] is neither a volume nor a vector`);
    rewriting.keep(node, { shape: volume });
    return volume;
  }
  const from = volumes[inputs[0]!]!;
  if (layer.kind === 'dense') {
    const { units, ...options } = layer.options;
    const size = [from[0], from[1]];
    const conv = rewriting.layer(kindOf('conv2d'), name, { ...options, filters: units, size });
    if (!sameShape(conv.options.size as readonly number[], size))
      throw unable(`${name} is applied to volumes of different extents`);
    rewriting.keep(node, { layer: conv });
    const [w, filters] = [`${name}.w`, [...from, units as number]];
    // Of a layer that is applied twice the filters stand there already.
    if (!sameShape(weights.get(w)?.shape ?? [], filters)) {
      const { dtype, data } = parameterOf(weights, w, [elementsOf(from), units as number]);
      weights.set(w, { dtype, shape: filters, data });
    }
    return [1, 1, units as number];
  }
  const pool = globalPools[layer.kind];
  if (pool !== undefined) {
    const options = { size: [from[0], from[1]], stride: 1 };
    rewriting.keep(node, { layer: rewriting.layer(kindOf(pool), name, options) });
    return [1, 1, from[2]];
  }
  if (layer.kind === 'flatten' || (layer.kind === 'reshape' && keepsVolume(from, shape))) {
    rewriting.skip(node);
    return from;
  }
  const sources = inputs.map((id) => nodes[id]!.shape);
  if ([...sources, shape].every((extents) => extents.length === 3)) {
    if (inputs.some((id) => !sameShape(volumes[id]!, nodes[id]!.shape)) || layer.kind === 'reshape')
      throw unable(`${name} (${layer.kind}) arranges values anew`);
    rewriting.keep(node);
    return shape as Volume;
  }
  const volume = vectorLayer(
    layer,
    shape,
    sources,
    inputs.map((id) => volumes[id]!),
  );
  if (volume === undefined) {
    throw unable(
      `${name} (${layer.kind}) takes [${sources.map((s) => s.join(', ')).join('] and [')}]`,
    );
  }
  rewriting.keep(node);
  return volume;
}

/** The volume that a layer on vectors gives when it is applied to theirs; undefined if it differs. */
function vectorLayer(
  { kind, definition }: Layer,
  shape: Shape,
  sources: readonly Shape[],
  volumes: readonly Volume[],
): Volume | undefined {
  if (definition.window !== undefined || kind === 'reshape') return undefined;
  if ([...sources, shape].some((extents) => extents.length !== 1)) return undefined;
  // One pixel: its channels are the vector, for layers over all channels too.
  if (volumes.every(([h, w]) => h === 1 && w === 1)) return [1, 1, shape[0]!];
  const alike = volumes.every((volume) => sameShape(volume, volumes[0]!));
  return elementwise.has(kind) && alike ? volumes[0] : undefined;
}

function volumeOf(shape: Shape): Volume | undefined {
  if (shape.length === 1) return [1, 1, shape[0]!];
  return shape.length === 3 ? (shape as Volume) : undefined;
}

/** A vector of the whole volume, or the volume itself: the values keep their places. */
function keepsVolume(volume: Volume, shape: Shape): boolean {
  return shape.length === 1 || sameShape(volume, shape);
}

export function kindOf(kind: string): NonNullable<ReturnType<typeof findLayer>> {
  const definition = findLayer(kind);
  if (definition === undefined) throw new Error(`no layer of the kind ${describe(kind)}`);
  return definition;
}

function unable(what: string): ReturnType<typeof invalid> {
  return invalid(
    `${what}: that has no equal convolution`,
    'Convert networks of convolutions, poolings, layers on single values, and dense layers after them.',
  );
}
