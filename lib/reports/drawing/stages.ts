import type { Network } from '../../graph/network.js';
import type { NetworkNode } from '../../graph/nodes.js';
import { summarize, type SummaryRow } from '../summary.js';

/**
 * What is drawn as one box: a layer that makes a volume, with the layers after it that change nothing but
 * the numbers in it (activations, batch normalisation, dropout).
 */
export interface Stage {
  readonly node: NetworkNode;
  readonly row: SummaryRow;
  /** Names of all its layers, in order. */
  readonly names: readonly string[];
  readonly kinds: readonly string[];
  readonly parameters: number;
  /** Stages by index. */
  readonly inputs: readonly number[];
}

export function stagesOf(network: Network): Stage[] {
  const { rows } = summarize(network);
  const readers = network.nodes.map(() => 0);
  for (const node of network.nodes) for (const id of node.inputs) readers[id]! += 1;
  for (const id of network.outputs) readers[id]! += 1;
  const stageOf = new Map<number, number>();
  const stages: { -readonly [K in keyof Stage]: Stage[K] }[] = [];
  for (const node of network.nodes) {
    const row = rows[node.id]!;
    const [source] = node.inputs;
    if (node.layer?.definition.inPlace === true && source !== undefined && readers[source] === 1) {
      const stage = stages[stageOf.get(source)!]!;
      stage.names = [...stage.names, node.name];
      stage.kinds = [...stage.kinds, node.layer.kind];
      stage.parameters += row.parameters;
      if (node.shape.length === stage.node.shape.length) stage.node = node;
      stageOf.set(node.id, stages.indexOf(stage));
      continue;
    }
    stageOf.set(node.id, stages.length);
    stages.push({
      node,
      row,
      names: [node.name],
      kinds: [node.layer?.kind ?? 'input'],
      parameters: row.parameters,
      inputs: node.inputs.map((id) => stageOf.get(id)!),
    });
  }
  return stages;
}

/** The colour of a stage, by what makes its volume. */
export function colourOf({ kinds: [kind = ''] }: Stage): {
  front: string;
  side: string;
  top: string;
} {
  const hue =
    kind === 'input'
      ? 'grey'
      : /conv|local(ly)?Conn/i.test(kind)
        ? 'blue'
        : /pool/i.test(kind)
          ? 'red'
          : kind === 'dense'
            ? 'green'
            : /add|concat|mul/i.test(kind)
              ? 'violet'
              : 'sand';
  const colours = {
    grey: { front: '#d9dee4', side: '#b8c1cb', top: '#eceff2' },
    blue: { front: '#a9c8f0', side: '#7aa6dd', top: '#cfe0f7' },
    red: { front: '#f3b7ac', side: '#e08d7d', top: '#f9d8d2' },
    green: { front: '#b3dcb6', side: '#86c08b', top: '#d5ecd7' },
    violet: { front: '#d3bff0', side: '#b097d8', top: '#e6dbf7' },
    sand: { front: '#f1dca7', side: '#dcc07a', top: '#f8ecd0' },
  } as const;
  return colours[hue];
}

/** What the pointer shows. */
export function titleOf({ names, kinds, node, row, parameters }: Stage): string {
  const layers = names.map((name, i) => `${name} (${kinds[i]})`).join(', ');
  const field = row.receptiveField;
  return [
    layers,
    node.shape.join(' x '),
    `${parameters.toLocaleString('en-US')} parameters`,
    ...(field === undefined ? [] : [`sees ${field.size.join(' x ')} pixels of the input`]),
  ].join('\n');
}
