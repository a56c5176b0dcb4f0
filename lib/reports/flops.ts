import type { Network } from '../graph/network.js';
import type { NetworkNode } from '../graph/nodes.js';
import { elementsOf } from '../graph/shape.js';

/** Additions and multiplications that a node costs for one image in the forward pass, each counted as one. */
export function flopsOf(network: Network, { layer, inputs, shape }: NetworkNode): number {
  if (layer === null) return 0;
  const shapes = inputs.map((id) => network.nodes[id]!.shape);
  return layer.definition.flops?.(shapes, shape, layer.options) ?? elementsOf(shape);
}
