import type { HostTensor } from '../formats/safetensors.js';
import type { Network } from '../graph/network.js';
import type { NetworkNode } from '../graph/nodes.js';
import type { Shape } from '../graph/shape.js';
import { kindOf } from './fully-convolutional.js';
import {
  parameterOf,
  requireWeighted,
  Rewriting,
  type Floats,
  type NetworkWithWeights,
} from './weighted.js';

/** Layers whose filters stand along the last axis of `w`, each with a bias of its own. */
const linear = new Set(['conv2d', 'dense']);

/**
 * The equal network for inference without the batch normalisation that directly follows a convolution or a
 * dense layer: with `f = gamma / sqrt(variance + epsilon)` by filter, the layer's filters become `f w` and
 * its bias `f (b - mean) + beta`; it gets a bias where it had none. Parameters and statistics of what was
 * folded leave the weights, names of the other layers stay. Factors are computed in float64 and rounded to
 * the type of `w`.
 *
 * A normalisation stays where another layer, or an output of the network, reads the values before it, where
 * either layer is applied twice, and where something else comes before it (pre-activation networks). The
 * result gives the same outputs; it does not train as the first did.
 *
 * @throws StriateError INVALID_ARGUMENT for weights that the network does not have.
 */
export function foldBatchNorm(source: NetworkWithWeights): NetworkWithWeights {
  requireWeighted(source, 'foldBatchNorm');
  const { network } = source;
  const weights = new Map<string, HostTensor>(source.weights);
  const folded = foldedNorms(network);
  const norms = new Map([...folded].map((norm) => [norm.inputs[0]!, norm]));
  const rewriting = new Rewriting(network);
  for (const node of network.nodes) {
    const norm = norms.get(node.id);
    if (folded.has(node)) rewriting.skip(node);
    else if (norm === undefined) rewriting.keep(node);
    else {
      const { name, layer } = node;
      const options = { ...layer!.options, bias: true };
      rewriting.keep(node, { layer: rewriting.layer(kindOf(layer!.kind), name, options) });
      foldWeights(network, node, norm, weights);
    }
  }
  return { network: rewriting.network(), weights };
}

/** The normalisations that can be folded into the node before them. */
function foldedNorms(network: Network): Set<NetworkNode> {
  const { nodes, outputs, auxiliary } = network;
  const readers = new Map<number, number>();
  const applied = new Map<string, number>();
  const count = <K>(counts: Map<K, number>, key: K): unknown =>
    counts.set(key, (counts.get(key) ?? 0) + 1);
  for (const { name, inputs } of nodes) {
    count(applied, name);
    for (const id of inputs) count(readers, id);
  }
  for (const id of [...outputs, ...auxiliary.map(({ output }) => output)]) count(readers, id);
  const once = ({ name }: NetworkNode): boolean => applied.get(name) === 1;
  return new Set(
    nodes.filter((norm) => {
      if (norm.layer?.kind !== 'batchNorm') return false;
      const before = nodes[norm.inputs[0]!]!;
      const alone = readers.get(before.id) === 1 && once(before) && once(norm);
      return alone && linear.has(before.layer?.kind ?? '');
    }),
  );
}

/** Scales the filters, moves the bias, and takes the normalisation's values out. */
function foldWeights(
  network: Network,
  { name, layer, shape }: NetworkNode,
  norm: NetworkNode,
  weights: Map<string, HostTensor>,
): void {
  const filters = shape.at(-1)!;
  const shapes = new Map(network.parameters().map((p): [string, Shape] => [p.name, p.spec.shape]));
  const values = (parameter: string) =>
    parameterOf(weights, parameter, shapes.get(parameter) ?? [filters]);
  const { dtype, data: w } = values(`${name}.w`);
  const bias = layer!.options.bias === true ? values(`${name}.b`).data : undefined;
  const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(
    (part): Floats => values(`${norm.name}.${part}`).data,
  ) as [Floats, Floats, Floats, Floats];
  // The op holds its epsilon as float32.
  const epsilon = Math.fround(norm.layer!.options.epsilon as number);
  const factors = Float64Array.from(gamma, (g, k) => g / Math.sqrt(variance[k]! + epsilon));
  const stored = (values: Float64Array): Floats =>
    dtype === 'float64' ? values : Float32Array.from(values);
  const scaled = Float64Array.from(w, (value, i) => value * factors[i % filters]!);
  const moved = factors.map((f, k) => f * ((bias?.[k] ?? 0) - mean[k]!) + beta[k]!);
  weights.set(`${name}.w`, { dtype, shape: shapes.get(`${name}.w`)!, data: stored(scaled) });
  weights.set(`${name}.b`, { dtype, shape: [filters], data: stored(moved) });
  for (const part of ['gamma', 'beta', 'mean', 'variance']) weights.delete(`${norm.name}.${part}`);
}
