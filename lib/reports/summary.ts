import type { Network } from '../graph/network.js';
import type { NetworkNode } from '../graph/nodes.js';
import { elementsOf, printShape, type Shape } from '../graph/shape.js';
import { table } from './table.js';

export interface SummaryRow {
  readonly name: string;
  /** The factory's name, or `input`. */
  readonly kind: string;
  /** The volume after the layer, without the batch. */
  readonly output: Shape;
  /** Trainable ones; a layer applied twice counts at its first place. */
  readonly parameters: number;
  /** Running statistics. */
  readonly state: number;
  /** Values an image that the layer adds in memory; 0 where the output takes the input's place. */
  readonly values: number;
  /** Those values in bytes, as float32. */
  readonly bytesPerImage: number;
}

/** A network layer by layer; `String(summary)` is the table. */
export interface Summary {
  readonly rows: readonly SummaryRow[];
  readonly totals: {
    readonly parameters: number;
    readonly state: number;
    readonly values: number;
    readonly bytesPerImage: number;
  };
  toString(): string;
}

const bytesOfFloat = 4;

export function summarize(network: Network): Summary {
  const counted = new Set<string>();
  const rows = network.nodes.map((node) => rowOf(network, node, counted));
  const total = (of: (row: SummaryRow) => number): number =>
    rows.reduce((sum, row) => sum + of(row), 0);
  const totals = {
    parameters: total((row) => row.parameters),
    state: total((row) => row.state),
    values: total((row) => row.values),
    bytesPerImage: total((row) => row.bytesPerImage),
  };
  return { rows, totals, toString: () => print(rows, totals) };
}

function rowOf(network: Network, node: NetworkNode, counted: Set<string>): SummaryRow {
  const { name, layer, shape } = node;
  const count = (trainable: boolean): number => {
    if (layer === null || counted.has(name)) return 0;
    return network
      .parameters()
      .filter((parameter) => parameter.layer === name && parameter.spec.trainable === trainable)
      .reduce((sum, { spec }) => sum + elementsOf(spec.shape), 0);
  };
  const values = layer?.definition.inPlace === true ? 0 : elementsOf(shape);
  const row = {
    name,
    kind: layer?.kind ?? 'input',
    output: shape,
    parameters: count(true),
    state: count(false),
    values,
    bytesPerImage: values * bytesOfFloat,
  };
  counted.add(name);
  return row;
}

function print(rows: readonly SummaryRow[], totals: Summary['totals']): string {
  const number = (n: number): string => n.toLocaleString('en-US');
  return table(
    ['layer', 'kind', 'output', 'parameters', 'memory/image'],
    rows.map((row) => [
      row.name,
      row.kind,
      printShape(row.output),
      number(row.parameters),
      printBytes(row.bytesPerImage),
    ]),
    ['total', '', '', number(totals.parameters), printBytes(totals.bytesPerImage)],
    ['left', 'left', 'left', 'right', 'right'],
  );
}

/** `0`, `980 B`, `12.3 KiB`, `58.1 MiB`. */
export function printBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  if (bytes === 0) return '0';
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
