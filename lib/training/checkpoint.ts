/**
 * A checkpoint: a safetensors file with the parameters and running statistics under their names, the
 * optimizer's slots as `optimizer/<slot>/<parameter>`, and one metadata key, `striate`.
 */
import type { StriateError } from '../errors.js';
import { FormatError } from '../errors.js';
import { SafetensorsFile, writeSafetensors, type HostTensor } from '../formats/safetensors.js';
import type { Json } from '../graph/layer.js';
import { precisions, type Precision } from '../program/precision.js';
import type { Preprocess } from '../program/preprocess.js';
import { isSavedLossScale, type SavedLossScale } from './loss-scale.js';
import type { RunState } from './run-state.js';
import type { TrainerParts } from './setup.js';
import { slotPrefix, Weights } from './weights.js';

/** Where the next batch comes from; together with the seed it is the whole state of the data. */
export interface DataState {
  epoch: number;
  /** Samples of this epoch that are already used. */
  sample: number;
  /** Length of the set, while an epoch is under way; null between epochs. */
  length: number | null;
  /** How the epoch under way is drawn. */
  shuffle: boolean | null;
}

export interface CheckpointHeader {
  format: 1;
  network: Json;
  /** Completed steps and epochs. */
  step: number;
  epoch: number;
  seed: number;
  precision: Precision;
  /** With `precision: 'float16'`; null with others, absent in older checkpoints. */
  lossScale?: SavedLossScale | null;
  /** The learning rate's schedule, loss and optimizer, as their `toJSON()`. */
  schedule: Json;
  loss: Json;
  optimizer: Json;
  data: DataState;
  preprocess: Preprocess | null;
  classes: readonly string[] | null;
}

export interface Checkpoint {
  header: CheckpointHeader;
  weights: Weights;
  /** By slot, then by parameter. */
  slots: ReadonlyMap<string, Weights>;
}

const metadataKey = 'striate';

/** The header of a trainer's checkpoint. */
export function headerOf(
  { network, settings, seed, lossScale }: TrainerParts,
  state: RunState,
): CheckpointHeader {
  const { loss, optimizer, precision, preprocess } = settings;
  return {
    format: 1,
    network: network.toJSON(),
    step: state.steps,
    epoch: state.position.epoch,
    seed,
    precision,
    lossScale: lossScale?.toJSON() ?? null,
    schedule: optimizer.learningRate.toJSON(),
    loss: loss === 'external' ? loss : loss.toJSON(),
    optimizer: optimizer.toJSON(),
    data: state.data,
    preprocess: preprocess ?? null,
    classes: state.classes ?? null,
  };
}

/** Writes a checkpoint; the file appears whole or not at all. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const tensors = new Map<string, HostTensor>(checkpoint.weights);
  for (const [slot, values] of checkpoint.slots)
    for (const [name, tensor] of values) tensors.set(`${slotPrefix}${slot}/${name}`, tensor);
  await writeSafetensors(path, tensors, { [metadataKey]: JSON.stringify(checkpoint.header) });
}

/**
 * Reads a checkpoint. `slots: false` leaves the optimizer's out.
 * @throws FormatError when it is damaged, no checkpoint, or of another format.
 */
export async function readCheckpoint(
  path: string,
  options: { slots?: boolean } = {},
): Promise<Checkpoint> {
  const file = await SafetensorsFile.open(path);
  try {
    const header = parseHeader(path, file.metadata.get(metadataKey));
    const weights = new Weights();
    const slots = new Map<string, Weights>();
    for (const name of file.entries.keys()) {
      if (!name.startsWith(slotPrefix)) weights.set(name, await file.read(name));
      else if (options.slots !== false) {
        const [slot, parameter] = splitSlot(path, name);
        const values = slots.get(slot) ?? new Weights();
        slots.set(slot, values.set(parameter, await file.read(name)));
      }
    }
    return { header, weights, slots };
  } finally {
    await file.close();
  }
}

function splitSlot(path: string, name: string): [slot: string, parameter: string] {
  const rest = name.slice(slotPrefix.length);
  const slash = rest.indexOf('/');
  if (slash <= 0) throw new FormatError(`${path}: ${JSON.stringify(name)} names no slot`);
  return [rest.slice(0, slash), rest.slice(slash + 1)];
}

function parseHeader(path: string, text: string | undefined): CheckpointHeader {
  if (text === undefined)
    throw new FormatError(`${path} holds weights only, it is no checkpoint of Striate`, {
      remedy: 'Use readWeights() and give the weights to a network’s trainer.',
    });
  const header = parseJson(path, text);
  if (header.format !== 1)
    throw new FormatError(`${path} has the checkpoint format ${JSON.stringify(header.format)}`, {
      remedy: 'This version reads format 1; read the file with the version that wrote it.',
    });
  const data = header.data as Partial<DataState> | null | undefined;
  const sound =
    isCount(header.step) &&
    isCount(header.epoch) &&
    isCount(header.seed) &&
    typeof data === 'object' &&
    data !== null &&
    isCount(data.epoch) &&
    isCount(data.sample) &&
    typeof header.network === 'object' &&
    header.network !== null &&
    precisions.some((known) => known === header.precision) &&
    (header.lossScale === null ||
      header.lossScale === undefined ||
      isSavedLossScale(header.lossScale)) &&
    (header.classes === null || isListOf(header.classes, 'string')) &&
    (header.preprocess === null || isPreprocess(header.preprocess));
  if (!sound) throw damaged(path);
  return header as unknown as CheckpointHeader;
}

function parseJson(path: string, text: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(text);
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>;
  } catch (cause) {
    throw damaged(path, cause);
  }
  throw damaged(path);
}

function damaged(path: string, cause?: unknown): StriateError {
  return new FormatError(`${path}: the metadata key ${metadataKey} is damaged`, {
    remedy: 'Use another checkpoint.',
    cause,
  });
}

function isListOf(value: unknown, type: 'string' | 'number'): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === type);
}

function isPreprocess(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { scale, mean, std } = value as Record<string, unknown>;
  const numbers = [scale, mean, std].filter((item) => item !== undefined);
  return numbers.every((item) => typeof item === 'number' || isListOf(item, 'number'));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
