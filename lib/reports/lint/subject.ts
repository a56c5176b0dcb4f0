import type { Network } from '../../graph/network.js';
import type { NetworkNode } from '../../graph/nodes.js';
import { summarize } from '../summary.js';
import type { Subject, WindowNode } from './finding.js';

const convolutionKinds = new Set(['conv2d', 'locallyConnected2d', 'depthwiseConv2d']);

export function subjectOf(network: Network): Subject {
  const windowNodes = network.nodes.flatMap((node) => windowNode(network, node) ?? []);
  const isConvolution = ({ node }: WindowNode): boolean => convolutionKinds.has(node.layer!.kind);
  return {
    network,
    summary: summarize(network),
    convolutions: windowNodes.filter(isConvolution),
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
export function isFirst({ network }: Subject, { inputs }: NetworkNode): boolean {
  return inputs.every((id) => {
    const node = network.nodes[id]!;
    return (
      node.layer === null ||
      (node.layer.definition.inPlace === true && isFirst({ network } as Subject, node))
    );
  });
}
