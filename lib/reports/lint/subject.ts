import type { Network } from '../../graph/network.js';
import type { NetworkNode } from '../../graph/nodes.js';
import { summarize } from '../summary.js';
import type { Subject, WindowNode } from './finding.js';

export function subjectOf(network: Network): Subject {
  const windowNodes = network.nodes.flatMap((node) => windowNode(network, node) ?? []);
  return {
    network,
    summary: summarize(network),
    convolutions: windowNodes.filter(({ node }) => node.layer!.kind === 'conv2d'),
    poolings: windowNodes.filter(({ node }) => /pool2d$/i.test(node.layer!.kind)),
  };
}

function windowNode(network: Network, node: NetworkNode): WindowNode | undefined {
  const { size, stride, dilation } = (node.layer?.options ?? {}) as Partial<
    Record<'size' | 'stride' | 'dilation', readonly [number, number]>
  >;
  const input = network.nodes[node.inputs[0] ?? -1]?.shape;
  if (size === undefined || input?.length !== 3 || !Array.isArray(size)) return undefined;
  const pooling = /pool2d$/i.test(node.layer!.kind);
  return {
    node,
    input,
    size,
    stride: stride ?? (pooling ? size : [1, 1]),
    dilation: dilation ?? [1, 1],
  };
}

/** The layer reads an input of the network, or what only elementwise layers have made of one. */
export function isFirst(network: Network, { inputs }: NetworkNode): boolean {
  return inputs.every((id) => {
    const node = network.nodes[id]!;
    return (
      node.layer === null || (node.layer.definition.inPlace === true && isFirst(network, node))
    );
  });
}
