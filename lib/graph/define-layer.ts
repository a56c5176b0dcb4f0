import type { Json, Layer, LayerDefinition } from './layer.js';
import { checkName, currentScope, inScope } from './names.js';
import { invalid, readOptions } from './options.js';
import { applyLayer, type Value } from './value.js';

/** Every layer may be given a name; the others are numbered in the order of the network. */
export interface NamedOptions {
  /** `conv1`, `stage1/head`: the first part of its parameters' names. */
  name?: string;
}

const definitions = new Map<string, LayerDefinition>();

/**
 * Registers a kind of layer and gives its factory: options in, a callable layer out. The factory
 * refuses unknown options and fills in defaults.
 */
export function defineLayer<Options extends object>(
  definition: LayerDefinition<Options>,
): (given?: object) => Layer {
  if (definitions.has(definition.kind))
    throw new Error(`layer ${definition.kind} is defined twice`);
  definitions.set(definition.kind, definition);
  return (given = {}) => makeLayer(definition, given);
}

/**
 * Makes a kind that is not the library's own known to `Network.fromJSON`.
 *
 * @throws StriateError INVALID_ARGUMENT for a kind that there is already.
 */
export function register(definition: LayerDefinition): void {
  const known = definitions.get(definition.kind);
  if (known === definition) return;
  if (known !== undefined || definition.kind === 'input')
    throw invalid(`there is already a kind of layer '${definition.kind}'`, 'Give it another name.');
  definitions.set(definition.kind, definition);
}

/** The kinds of layers there are. */
export function listLayers(): readonly LayerDefinition[] {
  return [...definitions.values()];
}

export function findLayer(kind: string): LayerDefinition | undefined {
  return definitions.get(kind);
}

/** A layer of a kind with checked options. */
export function makeLayer(definition: LayerDefinition, given: unknown): Layer {
  const options = readOptions(definition.kind, definition.options, given, ['name']);
  const name = (given as { name?: unknown }).name;
  if (name !== undefined) checkName(name);
  const scope = currentScope();
  const layer: Layer = Object.assign((...inputs: Value[]): Value => applyLayer(layer, inputs), {
    kind: definition.kind,
    options: Object.freeze(options) as Readonly<Record<string, Json | undefined>>,
    givenName: name === undefined ? undefined : inScope(scope, name),
    scope,
    definition,
  });
  return Object.freeze(layer);
}

/** Asserts a layer, as `sequential` takes them. */
export function requireLayer(candidate: unknown, where: string): asserts candidate is Layer {
  if (typeof candidate === 'function' && 'definition' in candidate && 'kind' in candidate) return;
  throw invalid(
    `${where} is not a layer`,
    typeof candidate === 'function'
      ? `Call the factory: ${candidate.name || 'relu'}().`
      : 'Give what a layer factory returns, such as relu().',
  );
}
