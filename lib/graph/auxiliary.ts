import type { NetworkDescription } from './network.js';
import type { NetworkNode, NodeDescription } from './nodes.js';
import { describe, invalid } from './options.js';
import { printShape, sameShape } from './shape.js';
import { Value } from './value.js';

/** A second output that only training has, with the weight of its loss. */
export interface Auxiliary {
  readonly output: Value;
  /** What its loss counts beside that of the network's output: 0.3 in GoogLeNet. */
  readonly weight: number;
}

/** Of a network: the output as a node's number. */
export interface AuxiliaryOutput {
  readonly output: number;
  readonly weight: number;
}

/** For callers in plain JavaScript. */
export function readAuxiliary(given: unknown, outputs: readonly Value[]): readonly Auxiliary[] {
  if (!Array.isArray(given))
    throw invalid(`auxiliary is ${describe(given)}`, 'Give [{ output: Value, weight: 0.3 }, ...].');
  const seen = new Set(outputs);
  return given.map((entry: unknown, i) => {
    const { output, weight } = Object(entry) as Partial<Auxiliary>;
    if (!(output instanceof Value))
      throw invalid(`auxiliary[${i}].output is ${describe(output)}`, 'Give what a layer returns.');
    if (seen.has(output))
      throw invalid(`auxiliary[${i}].output is already an output of the network`, 'Name it once.');
    seen.add(output);
    return { output, weight: readWeight(weight, `auxiliary[${i}].weight`) };
  });
}

export function readWeight(weight: unknown, where: string): number {
  if (typeof weight === 'number' && Number.isFinite(weight) && weight >= 0) return weight;
  throw invalid(`${where} is ${describe(weight)}`, 'Give a number, 0 or more: 0.3 in GoogLeNet.');
}

/** @throws StriateError INVALID_ARGUMENT, since an auxiliary output has the targets of the output. */
export function checkAuxiliary(
  nodes: readonly NetworkNode[],
  outputs: readonly number[],
  auxiliary: readonly AuxiliaryOutput[],
): void {
  if (auxiliary.length === 0) return;
  if (outputs.length !== 1)
    throw invalid(
      `a network with auxiliary outputs has one output, not ${outputs.length}`,
      'Name one output, and what else is trained as auxiliary.',
    );
  const main = nodes[outputs[0]!]!;
  for (const { output } of auxiliary) {
    const node = nodes[output]!;
    if (node.batched && node.layer !== null && sameShape(node.shape, main.shape)) continue;
    throw invalid(
      `the auxiliary output ${node.name} is ${printShape(node.shape)}, the output ${main.name} is ${printShape(main.shape)}`,
      'Both are compared with the same targets: end each in a layer of as many units.',
    );
  }
}

/** The numbers of the nodes that these depend on, themselves included. */
export function reachableNodes(
  nodes: readonly NetworkNode[],
  ends: readonly number[],
): ReadonlySet<number> {
  const found = new Set<number>();
  const open = [...ends];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    open.push(...nodes[id]!.inputs);
  }
  return found;
}

/** The nodes as a new network describes them. */
export function describeNode({ name, layer, inputs, shape, dtype }: NetworkNode): NodeDescription {
  return layer === null ? { name, layer, inputs, shape, dtype } : { name, layer, inputs };
}

/** The network without what only its auxiliary outputs need. */
export function dropAuxiliary({
  nodes,
  inputs,
  outputs,
  fit,
}: Pick<NetworkDescription, 'inputs' | 'outputs' | 'fit'> & {
  readonly nodes: readonly NetworkNode[];
}): NetworkDescription {
  const kept = reachableNodes(nodes, [...inputs, ...outputs]);
  const numbers = new Map([...kept].sort((a, b) => a - b).map((id, place) => [id, place]));
  const numberOf = (id: number): number => numbers.get(id)!;
  return {
    fit,
    nodes: nodes
      .filter(({ id }) => kept.has(id))
      .map((node) => ({ ...describeNode(node), inputs: node.inputs.map(numberOf) })),
    inputs: inputs.map(numberOf),
    outputs: outputs.map(numberOf),
  };
}
