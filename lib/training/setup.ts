import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { customLoss } from '../losses/custom.js';
import {
  computeTypeOf,
  requireRuns,
  type ComputeType,
  type Precision,
} from '../program/precision.js';
import type { Program } from '../program/program.js';
import { Device, device as openDevice, type DeviceName } from '../runtime/device.js';
import { withBatch } from './auto-batch.js';
import { checkResumed } from './check-resumed.js';
import { readCheckpoint, type Checkpoint } from './checkpoint.js';
import { endsOf, leastBatch } from './ends.js';
import { initialValues } from './initial.js';
import { checkLossScale, LossScale } from './loss-scale.js';
import { likelyType, trainingProgram, type TrainingSettings } from './programs.js';
import { Slabs, type Floats } from './slabs.js';
import { checkOptions, firstBatch, type TrainerOptions } from './trainer-options.js';
import { convertData, type HostTensor } from './weights.js';

/** All that a trainer starts with. */
export interface TrainerParts {
  network: Network;
  device: Device;
  ownsDevice: boolean;
  settings: TrainingSettings;
  seed: number;
  classes: readonly string[] | undefined;
  layout: Program;
  slabs: Slabs;
  checkpoint: Checkpoint | undefined;
  /** Undefined for precisions that need none. */
  lossScale: LossScale | undefined;
}

/** Checks the options, compiles, opens the device, and fills its memory. */
export async function setUp(network: Network, options: TrainerOptions): Promise<TrainerParts> {
  checkOptions(network, options);
  const checkpoint =
    options.resume === undefined ? undefined : await readCheckpoint(options.resume);
  const precision = options.precision ?? checkpoint?.header.precision ?? 'float32';
  checkLossScale(options.lossScale, precision);
  const dtype = computeTypeOf(precision);
  const ownsDevice = typeof options.device !== 'object';
  const device = await deviceFor({ ...options, precision });
  let slabs: Slabs | undefined;
  try {
    requireRuns(precision, device.target);
    const settings = withBatch(network, settingsFor(options, checkpoint, precision, device), {
      device,
      isAuto: options.batch === 'auto',
      least: leastBatch(network),
      type: likelyType(endsOf(network).input),
    });
    const seed = options.seed ?? checkpoint?.header.seed ?? 0;
    const layout = trainingProgram(network, settings, likelyType(endsOf(network).input));
    if (checkpoint) checkResumed(checkpoint, network, layout, settings, seed);
    const { weights, missing } = options;
    const values = initialValues(network, seed, dtype, {
      weights: checkpoint?.weights ?? weights,
      missing: checkpoint ? [] : missing,
    });
    slabs = new Slabs(device, layout);
    await slabs.write(values);
    for (const [slot, tensors] of checkpoint?.slots ?? [])
      await slabs.writeSlot(slot, floatsOf(tensors, dtype));
    const classes = options.classes ?? checkpoint?.header.classes ?? undefined;
    const lossScale = LossScale.of(precision, options.lossScale, checkpoint?.header.lossScale);
    const made = { network, device, ownsDevice, settings, seed, classes, layout, slabs };
    return { ...made, checkpoint, lossScale };
  } catch (error) {
    slabs?.dispose();
    if (ownsDevice) await device.close();
    throw error;
  }
}

/** The device of the options; `'auto'` is one that computes in the given precision. */
export async function deviceFor(options: {
  device?: Device | DeviceName;
  threads?: number;
  precision: Precision;
}): Promise<Device> {
  const { device = 'auto', threads, precision } = options;
  if (device instanceof Device) return device;
  if (typeof device !== 'string')
    throw new StriateError('INVALID_ARGUMENT', 'device is neither a device nor the name of one', {
      remedy: "Give 'auto', 'cpu', 'cuda', or what device() returns.",
    });
  return openDevice(device, { ...(threads === undefined ? {} : { threads }), precision });
}

function settingsFor(
  options: TrainerOptions,
  checkpoint: Checkpoint | undefined,
  precision: Precision,
  { target: kind }: Device,
): TrainingSettings {
  const { loss, target, optimizer, freeze = [], average } = options;
  const batch = firstBatch(options);
  const { microBatch = batch } = options;
  return {
    loss: typeof loss === 'function' ? customLoss(loss, target) : loss,
    optimizer,
    batch: Math.min(batch, microBatch),
    accumulated: microBatch < batch ? batch : undefined,
    freeze,
    recompute: options.recompute ?? 'light',
    average,
    precision,
    target: kind,
    preprocess: options.preprocess ?? checkpoint?.header.preprocess ?? undefined,
  };
}

function floatsOf(
  tensors: ReadonlyMap<string, HostTensor>,
  dtype: ComputeType,
): Map<string, Floats> {
  return new Map([...tensors].map(([name, { data }]) => [name, convertData(name, data, dtype)]));
}
