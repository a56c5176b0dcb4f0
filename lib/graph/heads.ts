import { describeNode, reachableNodes, type AuxiliaryOutput } from './auxiliary.js';
import { makeLayer } from './define-layer.js';
import type { Layer } from './layer.js';
import type { NetworkDescription } from './network.js';
import type { NetworkNode } from './nodes.js';
import { invalid, positive } from './options.js';
import { printShape } from './shape.js';

/** The option that says how many outputs a head has, by the kind of layer. */
const unitsOption = new Map([
  ['dense', 'units'],
  ['conv2d', 'filters'],
]);

interface Ends {
  readonly nodes: readonly NetworkNode[];
  readonly outputs: readonly number[];
  readonly auxiliary: readonly AuxiliaryOutput[];
}

/** The nodes with other heads; see `Network.replaceHead`. */
export function replaceHeads(
  { nodes, outputs, auxiliary }: Ends,
  given: number,
): NetworkDescription['nodes'] {
  const units = positive.read(given, 'replaceHead: units');
  const heads = new Map<string, Layer>();
  const [last] = outputs.map((output) => headOf(nodes, output)).sort((a, b) => b.id - a.id);
  heads.set(last!.name, withUnits(last!, units, 'head'));
  const trunk = reachableNodes(nodes, outputs);
  for (const [i, { output }] of auxiliary.entries()) {
    const head = headOf(nodes, output);
    if (trunk.has(head.id))
      throw invalid(
        `the auxiliary output ${nodes[output]!.name} has no head of its own`,
        'End its branch in a dense layer.',
      );
    heads.set(head.name, withUnits(head, units, `aux${i + 1}/head`));
  }
  const taken = [...heads.values()].map(({ givenName }) => givenName);
  const clash = nodes.find(({ name }) => taken.includes(name) && !heads.has(name));
  if (clash !== undefined)
    throw invalid(
      `another layer is already named '${clash.name}'`,
      'Give that layer another name.',
    );
  return nodes.map((node) => {
    const head = heads.get(node.name);
    if (head === undefined) return describeNode(node);
    return { name: head.givenName!, layer: head, inputs: node.inputs };
  });
}

/** The dense layer or convolution that an output comes from, with what has one input between. */
function headOf(nodes: readonly NetworkNode[], output: number): NetworkNode {
  let node = nodes[output]!;
  while (!unitsOption.has(node.layer?.kind ?? '')) {
    if (node.inputs.length !== 1)
      throw invalid(
        `no dense layer and no convolution ends the network: ${node.name} does`,
        'Build the network with a new end instead.',
      );
    node = nodes[node.inputs[0]!]!;
  }
  return node;
}

function withUnits({ layer }: NetworkNode, units: number, name: string): Layer {
  const { definition, kind, options } = layer!;
  return makeLayer(definition, { ...options, [unitsOption.get(kind)!]: units, name });
}

/** What follows the head may give as many outputs whatever it reads. */
export function checkUnits({ nodes, outputs }: Ends, units: number): void {
  if (outputs.some((output) => nodes[output]!.shape.at(-1) === units)) return;
  const { name, shape } = nodes[outputs[0]!]!;
  throw invalid(
    `${name} gives ${printShape(shape)} with a head of ${units} units too`,
    'Build the network with a new end instead.',
  );
}
