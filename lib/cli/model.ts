import { existsSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { StriateError } from '../errors.js';
import { architecture } from '../graph/architecture/index.js';
import { nearest } from '../graph/nearest.js';
import { Network } from '../graph/network.js';
import { zoo } from '../models/index.js';
import { UsageError } from './output.js';

export interface ResolvedModel {
  /** The zoo name, or the file's name without its ending. */
  name: string;
  network: Network;
  /** True for a network of the zoo. */
  zoo: boolean;
}

/** Appended to the help of commands that take a model. */
export const zooHelp = `\nNetworks of the zoo:\n  ${Object.keys(zoo).join(', ')}`;

export const modelArgument =
  "a network of the zoo, a module whose default export is a Network, or an architecture: 'INPUT 32x32x3 -> CONV 3x3 32 -> RELU -> FC 10'";

/** The network that the argument `<model>` names. */
export async function resolveModel(name: string): Promise<ResolvedModel> {
  const make = Object.hasOwn(zoo, name) ? zoo[name] : undefined;
  if (make) return { name, network: make(), zoo: true };
  if (name.includes('->')) return { name, network: readArchitecture(name), zoo: false };
  if (!/[/\\]/.test(name) && extname(name) === '') throw unknownModel(name);
  const path = resolve(name);
  if (!existsSync(path)) {
    if (nearest(name, Object.keys(zoo)) !== undefined) throw unknownModel(name);
    throw new UsageError(`there is no file ${path}`, `Give ${modelArgument}.`);
  }
  return {
    name: basename(path, extname(path)),
    network: await importNetwork(path),
    zoo: false,
  };
}

function readArchitecture(text: string): Network {
  try {
    return architecture(text);
  } catch (error) {
    if (!(error instanceof StriateError)) throw error;
    throw new UsageError(error.message, error.remedy ?? `Give ${modelArgument}.`);
  }
}

function unknownModel(name: string): UsageError {
  const names = Object.keys(zoo);
  const near = nearest(name, names);
  const hint = near === undefined ? `Known are: ${names.join(', ')}.` : `Did you mean ${near}?`;
  return new UsageError(`there is no network '${name}' in the zoo`, hint);
}

/** A module may have its own copy of the package, so its network counts by what it describes. */
async function importNetwork(path: string): Promise<Network> {
  const module = await importModule(
    path,
    'The module is plain JavaScript that imports striate and exports a Network.',
  );
  const network = module.default as { toJSON?: unknown } | undefined;
  if (network instanceof Network) return network;
  if (typeof network?.toJSON === 'function')
    return Network.fromJSON((network.toJSON as () => unknown).call(network));
  throw new StriateError('INVALID_ARGUMENT', `${path} has no Network as its default export`, {
    remedy: 'End the module with: export default sequential(...) or network(...).',
  });
}

/** What a module of the user exports. @throws StriateError `INVALID_ARGUMENT` for one that does not load. */
export async function importModule(
  path: string,
  remedy: string,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (cause) {
    if (cause instanceof StriateError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new StriateError('INVALID_ARGUMENT', `${path} does not load: ${message}`, {
      remedy,
      cause,
    });
  }
}
