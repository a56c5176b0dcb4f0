import { nearest } from '../graph/nearest.js';
import type { Network, NetworkNode } from '../graph/network.js';
import { invalid } from '../graph/options.js';

/**
 * The nodes that are named, each once. A layer that is applied several times and has parameters gives its
 * name to all applications: `conv1` is the first one, `conv1:2` the second.
 * @throws StriateError `INVALID_ARGUMENT` for a name that no layer has.
 */
export function nodesNamed(network: Network, names: readonly string[]): Map<string, NetworkNode> {
  if (!Array.isArray(names) || names.length === 0)
    throw invalid('the names of layers are missing', "Give a list: ['conv1', 'pool1'].");
  const known = nodesByName(network);
  return new Map(
    names.map((name: string) => {
      const node = known.get(name);
      if (node === undefined) throw unknownLayer(name, known.keys());
      if (!node.batched)
        throw invalid(
          `${name} gives one value for all images`,
          'Name layers that give a volume for each image.',
        );
      return [name, node];
    }),
  );
}

/** @throws StriateError `INVALID_ARGUMENT` for nodes without influence on the network's output. */
export function checkInfluence(network: Network, nodes: ReadonlyMap<string, NetworkNode>): void {
  const reached = new Set(network.outputs);
  for (const { id, inputs } of network.nodes.toReversed())
    if (reached.has(id)) for (const input of inputs) reached.add(input);
  for (const [name, { id }] of nodes)
    if (!reached.has(id))
      throw invalid(
        `the network’s output does not depend on ${name}`,
        'Name layers that the output is computed from; auxiliary branches have no part in it.',
      );
}

function nodesByName({ nodes }: Network): Map<string, NetworkNode> {
  const byName = new Map<string, NetworkNode>();
  const applications = new Map<string, number>();
  for (const node of nodes) {
    const count = (applications.get(node.name) ?? 0) + 1;
    applications.set(node.name, count);
    byName.set(count === 1 ? node.name : `${node.name}:${count}`, node);
  }
  return byName;
}

function unknownLayer(name: unknown, known: Iterable<string>): Error {
  const near = nearest(String(name), known);
  return invalid(
    `the network has no layer '${String(name)}'`,
    near === undefined ? 'String(network.summary()) lists them.' : `Did you mean '${near}'?`,
  );
}
