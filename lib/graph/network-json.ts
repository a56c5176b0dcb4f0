import '../layers/index.js';
import { FormatError, StriateError } from '../errors.js';
import { readWeight, type AuxiliaryOutput } from './auxiliary.js';
import { findLayer, listLayers, makeLayer } from './define-layer.js';
import type { Json, Layer } from './layer.js';
import { checkName } from './names.js';
import { nearest } from './nearest.js';
import { Network } from './network.js';
import type { NetworkNode, NodeDescription } from './nodes.js';
import { describe, invalid } from './options.js';
import { requireExtents, type Fit, type Shape } from './shape.js';
import type { ValueType } from './value.js';

/** A network as plain data. `format` counts the changes that older readers cannot follow. */
export type NetworkJson = {
  readonly format: 1;
  readonly fit: Fit;
  readonly nodes: readonly NodeJson[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Only where there are some. */
  readonly auxiliary?: readonly { readonly output: number; readonly weight: number }[];
};

/** `input` is the kind of what enters; it has a shape and a type, a layer has options and inputs. */
export type NodeJson = {
  readonly name: string;
  readonly kind: string;
  readonly shape?: Shape;
  readonly dtype?: ValueType;
  readonly options?: { readonly [key: string]: Json | undefined };
  readonly inputs?: readonly number[];
};

const inputKind = 'input';
const mostNodes = 100_000;

export function networkToJson(network: Network): NetworkJson {
  return {
    format: 1,
    fit: network.fit,
    nodes: network.nodes.map(nodeToJson),
    inputs: network.inputs,
    outputs: network.outputs,
    ...(network.auxiliary.length === 0 ? {} : { auxiliary: network.auxiliary }),
  };
}

function nodeToJson({ name, layer, inputs, shape, dtype }: NetworkNode): NodeJson {
  if (layer === null) return { name, kind: inputKind, shape, dtype };
  if (findLayer(layer.kind) !== layer.definition)
    throw invalid(
      `${name} is of the kind '${layer.kind}', which a file cannot name: it is not registered`,
      'Call registerLayer() with what customLayer() returned, also where the file is read.',
    );
  return { name, kind: layer.kind, options: layer.options, inputs };
}

export function networkFromJson(json: unknown): Network {
  const { format, fit, nodes, ...ends } = record(json, 'the network');
  if (format !== 1) {
    throw broken(
      `format is ${describe(format)}, not 1`,
      'Read it with the version of Striate that wrote it.',
    );
  }
  if (fit !== 'exact' && fit !== 'crop' && fit !== 'pad') throw broken(`fit is ${describe(fit)}`);
  if (!Array.isArray(nodes) || nodes.length > mostNodes)
    throw broken(`nodes is ${describe(nodes)}`);
  try {
    return readNetwork(fit, nodes, ends);
  } catch (error) {
    if (error instanceof FormatError || !(error instanceof StriateError)) throw error;
    throw new FormatError(`not a network: ${error.message}`, {
      cause: error,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    });
  }
}

function readNetwork(fit: Fit, nodes: readonly unknown[], ends: Record<string, unknown>): Network {
  const layers = new Map<string, Layer | null>();
  const read = nodes.map((node, id) => readNode(node, id, layers));
  const declared = indices(ends.inputs, 'inputs', read.length);
  const expected = read.flatMap((node, id) => (node.layer === null ? [id] : []));
  if (declared.length !== expected.length || !expected.every((id) => declared.includes(id))) {
    throw broken('inputs does not list the input nodes');
  }
  const results = indices(ends.outputs, 'outputs', read.length);
  if (results.length === 0) throw broken('outputs is empty');
  const auxiliary = readAuxiliaryOutputs(ends.auxiliary ?? [], read.length);
  const network = new Network({
    ...{ fit, nodes: read, inputs: declared, outputs: results, auxiliary },
  });
  if (results.some((id) => !network.nodes[id]!.batched))
    throw broken('an output is one number for the whole batch');
  return network;
}

function readAuxiliaryOutputs(json: unknown, bound: number): AuxiliaryOutput[] {
  if (!Array.isArray(json)) throw broken(`auxiliary is ${describe(json)}`);
  const entries = json.map((entry, i) => record(entry, `auxiliary[${i}]`));
  const outputs = indices(
    entries.map(({ output }) => output),
    'auxiliary',
    bound,
  );
  return entries.map(({ weight }, i) => ({
    output: outputs[i]!,
    weight: readWeight(weight, `auxiliary[${i}].weight`),
  }));
}

function readNode(json: unknown, id: number, layers: Map<string, Layer | null>): NodeDescription {
  const { name, kind, ...rest } = record(json, `nodes[${id}]`);
  checkName(name);
  if (kind === inputKind) {
    if (layers.has(name)) throw broken(`two nodes are named '${name}'`);
    layers.set(name, null);
    return { name, layer: null, inputs: [], ...readInput(rest, id) };
  }
  const layer = readLayer(name, kind, rest.options, layers);
  const inputs = indices(rest.inputs, `nodes[${id}].inputs`, id, true);
  const { arity } = layer.definition;
  if (arity === 'many' ? inputs.length < 1 : inputs.length !== arity) {
    throw broken(`${name} has ${inputs.length} inputs`);
  }
  return { name, layer, inputs };
}

function readInput(
  { shape, dtype }: Record<string, unknown>,
  id: number,
): { shape: Shape; dtype: ValueType } {
  if (dtype !== 'float32' && dtype !== 'int32')
    throw broken(`nodes[${id}].dtype is ${describe(dtype)}`);
  if (!Array.isArray(shape) || shape.length > 3)
    throw broken(`nodes[${id}].shape is ${describe(shape)}`);
  requireExtents(shape as number[]);
  return { shape: [...(shape as number[])], dtype };
}

/** The layer of a node; a name that comes again is the same layer, applied again. */
function readLayer(
  name: string,
  kind: unknown,
  options: unknown,
  layers: Map<string, Layer | null>,
): Layer {
  const definition = typeof kind === 'string' ? findLayer(kind) : undefined;
  if (definition === undefined) {
    const near =
      typeof kind === 'string'
        ? nearest(kind, [inputKind, ...listLayers().map((layer) => layer.kind)])
        : undefined;
    throw broken(
      `${name} is of the unknown kind ${describe(kind)}`,
      near === undefined
        ? 'A layer of your own is registered first: registerLayer().'
        : `Did you mean '${near}'?`,
    );
  }
  const given = record(options ?? {}, `the options of ${name}`);
  if (Object.hasOwn(given, 'name')) throw broken(`the options of ${name} hold a name`);
  const layer = makeLayer(definition, { ...given, name });
  const known = layers.get(name);
  if (known === undefined) {
    layers.set(name, layer);
    return layer;
  }
  const same =
    known !== null &&
    known.definition === definition &&
    definition.parameters !== undefined &&
    JSON.stringify(known.options) === JSON.stringify(layer.options);
  if (!same) throw broken(`two layers are named '${name}'`);
  return known;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw broken(`${what} is ${describe(value)}, not an object`);
  }
  return { ...value };
}

/** Distinct node numbers below `bound`, or with repetition where a layer may take a value twice. */
function indices(value: unknown, what: string, bound: number, repeated = false): number[] {
  const valid =
    Array.isArray(value) &&
    value.every((id) => Number.isInteger(id) && id >= 0 && id < bound) &&
    (repeated || new Set(value).size === value.length);
  if (!valid) throw broken(`${what} is not a list of earlier nodes`);
  return [...(value as number[])];
}

function broken(message: string, remedy?: string): FormatError {
  return new FormatError(`not a network: ${message}`, {
    remedy: remedy ?? 'Give what Network.toJSON() wrote.',
  });
}
