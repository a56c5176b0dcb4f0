import type { Network } from '../graph/network.js';
import type { ParameterSpec } from '../graph/layer.js';
import type { NetworkNode } from '../graph/nodes.js';
import { elementsOf, printShape, type Shape } from '../graph/shape.js';
import { requirePrecision, storageTypeOf, type Precision } from '../program/precision.js';
import { bytesOf } from '../program/program.js';
import { flopsOf } from './flops.js';
import { receptiveFields, type ReceptiveField } from './receptive-field.js';
import { table } from './table.js';

export interface SummaryRow {
  readonly name: string;
  /** The factory's name, or `input`. */
  readonly kind: string;
  /** The volume after the layer, without the batch. */
  readonly output: Shape;
  /** Trainable ones; a layer applied twice counts at its first place. */
  readonly parameters: number;
  /** Those of them that are multiplied, without biases: the weights of the notes' table. */
  readonly weights: number;
  /** Running statistics. */
  readonly state: number;
  /** Values an image that the layer adds in memory; 0 where the output takes the input's place. */
  readonly values: number;
  /** Those values in bytes. */
  readonly bytesPerImage: number;
  /** Additions and multiplications an image, forward, each counted as one. */
  readonly flops: number;
  /** What a pixel of the volume sees of the input; absent where that has no one answer. */
  readonly receptiveField?: ReceptiveField;
}

/** A network layer by layer; `String(summary)` is the table. */
export interface Summary {
  readonly rows: readonly SummaryRow[];
  readonly totals: {
    readonly parameters: number;
    readonly weights: number;
    readonly state: number;
    readonly values: number;
    readonly bytesPerImage: number;
    readonly flops: number;
  };
  toString(): string;
}

export interface SummaryOptions {
  /** In which values are stored; default `'float32'`. */
  precision?: Precision;
}

export function summarize(network: Network, options: SummaryOptions = {}): Summary {
  const { precision = 'float32' } = options;
  requirePrecision(precision);
  const bytesOfValue = bytesOf[storageTypeOf(precision)];
  const counted = new Set<string>();
  const fields = receptiveFields(network);
  const rows = network.nodes.map((node) =>
    rowOf(network, node, counted, fields[node.id], bytesOfValue),
  );
  const total = (of: (row: SummaryRow) => number): number =>
    rows.reduce((sum, row) => sum + of(row), 0);
  const totals = {
    parameters: total((row) => row.parameters),
    weights: total((row) => row.weights),
    state: total((row) => row.state),
    values: total((row) => row.values),
    bytesPerImage: total((row) => row.bytesPerImage),
    flops: total((row) => row.flops),
  };
  return { rows, totals, toString: () => print(rows, totals) };
}

function rowOf(
  network: Network,
  node: NetworkNode,
  counted: Set<string>,
  receptiveField: ReceptiveField | undefined,
  bytesOfValue: number,
): SummaryRow {
  const { name, layer, shape } = node;
  const own =
    layer === null || counted.has(name)
      ? []
      : network.parameters().filter((parameter) => parameter.layer === name);
  const count = (of: (spec: ParameterSpec) => boolean): number =>
    own.filter(({ spec }) => of(spec)).reduce((sum, { spec }) => sum + elementsOf(spec.shape), 0);
  const values = layer?.definition.inPlace === true ? 0 : elementsOf(shape);
  counted.add(name);
  return {
    name,
    kind: layer?.kind ?? 'input',
    output: shape,
    parameters: count(({ trainable }) => trainable),
    weights: count((spec) => spec.trainable && !biases.has(spec.name.split('.').at(-1)!)),
    state: count(({ trainable }) => !trainable),
    values,
    bytesPerImage: values * bytesOfValue,
    flops: flopsOf(network, node),
    ...(receptiveField === undefined ? {} : { receptiveField }),
  };
}

/** Parameters that are added. */
const biases = new Set(['b', 'beta']);

function print(rows: readonly SummaryRow[], totals: Summary['totals']): string {
  const number = (n: number): string => n.toLocaleString('en-US');
  return table(
    [
      'layer',
      'kind',
      'output',
      'memory/image',
      'weights',
      'parameters',
      'FLOPs/image',
      'field',
      'stride',
    ],
    rows.map((row) => [
      row.name,
      row.kind,
      printShape(row.output),
      printBytes(row.bytesPerImage),
      number(row.weights),
      number(row.parameters),
      printCount(row.flops),
      printPair(row.receptiveField?.size),
      printPair(row.receptiveField?.stride),
    ]),
    [
      'total',
      '',
      '',
      printBytes(totals.bytesPerImage),
      number(totals.weights),
      number(totals.parameters),
      printCount(totals.flops),
      '',
      '',
    ],
    ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
  );
}

/** `11` for [11, 11], `11x7` otherwise. */
function printPair(pair: readonly [number, number] | undefined): string {
  if (pair === undefined) return '';
  return pair[0] === pair[1] ? String(pair[0]) : pair.join('x');
}

/** `0`, `980`, `12.3 k`, `1.5 M`, `30.9 G`. */
export function printCount(count: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? String(count) : `${value.toFixed(1)} ${units[unit]}`;
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
