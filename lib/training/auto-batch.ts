import { freemem } from 'node:os';
import { OutOfDeviceMemoryError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { Plan } from '../program/plan.js';
import type { Device } from '../runtime/device.js';
import type { ImageType } from './images.js';
import { trainingProgram, type TrainingSettings } from './programs.js';

/** No batch is chosen that is larger: steps would be few. */
const mostImages = 1024;
/** Of free memory without a limit: the rest of the machine needs some. */
const share = 0.9;

/**
 * The settings as they are, or, where the batch is to be chosen, with the largest that fits into what the
 * device has left.
 *
 * @throws OutOfDeviceMemoryError when not even the smallest does.
 */
export function withBatch(
  network: Network,
  settings: TrainingSettings,
  { device, isAuto, least, type }: BatchChoice,
): TrainingSettings {
  if (!isAuto) return settings;
  const room = roomOf(device);
  const planOf = (batch: number): Plan =>
    new Plan(trainingProgram(network, { ...settings, batch }, type));
  let fits = 0;
  let tooLarge = mostImages + 1;
  let { batch } = settings;
  // The workspace of some ops depends on the planned batch: what was chosen is planned again.
  for (let tries = 0; tries < 8; tries++) {
    const plan = planOf(batch);
    if (plan.totalBytes <= room) fits = Math.max(fits, batch);
    else tooLarge = Math.min(tooLarge, batch);
    batch = Math.min(plan.largestBatch(room), tooLarge - 1);
    if (batch <= fits || batch < least) break;
  }
  if (fits >= least) return { ...settings, batch: fits };
  const { totalBytes, categories } = planOf(least);
  throw new OutOfDeviceMemoryError(
    `not even a batch of ${least} fits into ${room} bytes: it takes ${totalBytes}`,
    {
      remedy: "Raise memoryLimit, use recompute: 'auto', or choose a smaller network.",
      details: { room, smallest: totalBytes, categories },
    },
  );
}

interface BatchChoice {
  device: Device;
  isAuto: boolean;
  /** The smallest batch that can be trained. */
  least: number;
  /** Of the images. */
  type: ImageType;
}

/** Bytes that the device may still be asked for. */
function roomOf(device: Device): number {
  const { limit, allocated, free } = device.memory();
  const left = Math.floor(share * (free ?? availableMemory()));
  return limit === 0 ? left : Math.min(limit - allocated, left);
}

function availableMemory(): number {
  const { availableMemory: available } = process as { availableMemory?: () => number };
  return available?.call(process) ?? freemem();
}
