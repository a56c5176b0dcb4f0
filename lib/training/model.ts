import type { NetworkWithWeights } from '../conversions/weighted.js';
import { StriateError } from '../errors.js';
import type { Json } from '../graph/layer.js';
import { Network } from '../graph/network.js';
import type { Shape } from '../graph/shape.js';
import { lossFromJSON } from '../losses/index.js';
import type { Loss } from '../losses/loss.js';
import { averageSlot } from '../optimizers/average.js';
import { compileInference } from '../program/compile.js';
import type { Preprocess } from '../program/preprocess.js';
import {
  computeTypeOf,
  requirePrecision,
  requireRuns,
  runsOn,
  type Precision,
} from '../program/precision.js';
import type { Device, DeviceName } from '../runtime/device.js';
import { noAverage } from './averages.js';
import { readCheckpoint } from './checkpoint.js';
import { DeviceNetwork } from './device-network.js';
import { Inference } from './inference.js';
import { initialValues } from './initial.js';
import { Lifetime } from './lifetime.js';
import { compileSettings, likelyType, Programs, type ProgramSettings } from './programs.js';
import { endsOf } from './ends.js';
import { deviceFor } from './setup.js';
import { Slabs } from './slabs.js';
import type { HostTensor } from './weights.js';

export type { Classification, ClassifyOptions, Prediction } from './classify.js';

export interface LoadOptions {
  /** Default `'auto'`. A device that is given stays open when the model closes. */
  device?: Device | DeviceName;
  /** Threads of a device that the model opens; default: one a core. */
  threads?: number;
  /** Images that run at once; more are taken in parts. Default 16. */
  batch?: number;
  /**
   * Default: that of the checkpoint where the device runs it, else `'float32'`: so what was trained in 16
   * bits on a card, where parameters are float32 all the same, serves on a processor.
   */
  precision?: Precision;
  /** What `evaluate` and `gradients` measure by; default: the loss that the checkpoint was trained with. */
  loss?: Loss;
  /** The moving average of the parameters instead of the last ones. Default false. */
  averaged?: boolean;
}

/** A network with all its weights, where there is no checkpoint: what conversions give. */
export interface ModelSource extends NetworkWithWeights {
  /** Default `'float32'`. */
  precision?: Precision;
  /** Default: bytes are divided by 255, numbers left alone. */
  preprocess?: Preprocess;
  /** Names of the classes. */
  classes?: readonly string[];
}

/**
 * A network with the parameters of a checkpoint, or with weights that are at hand, for inference: without
 * the branches of auxiliary outputs.
 * @throws FormatError when the file is damaged or no checkpoint; StriateError `INVALID_ARGUMENT` for
 *   weights that do not fit the network, and for a precision that the device does not run.
 */
export async function load(
  source: string | ModelSource,
  options: LoadOptions = {},
): Promise<Model> {
  if (options.precision !== undefined) requirePrecision(options.precision);
  const {
    network: trained,
    weights: saved,
    ...header
  } = await contentsOf(source, options.averaged === true);
  const network = trained.withoutAuxiliary();
  const weights = forInference(trained, network, saved);
  const { input } = endsOf(network);
  const { batch = 16 } = options;
  const { classes, preprocess } = header;
  const wanted = options.precision ?? header.precision;
  const ownsDevice = typeof options.device !== 'object';
  const device = await deviceFor({ ...options, precision: wanted });
  let slabs: Slabs | undefined;
  try {
    const { target } = device;
    const precision =
      options.precision === undefined && !runsOn(wanted, target) ? 'float32' : wanted;
    requireRuns(precision, target);
    const dtype = computeTypeOf(precision);
    const settings = { batch, precision, preprocess: preprocess ?? undefined, target };
    const layout = compileInference(network, compileSettings(settings, likelyType(input)));
    const values = initialValues(network, header.seed, dtype, { weights, missing: undefined });
    slabs = new Slabs(device, layout);
    await slabs.write(values);
    return new Model(network, device, classes ?? undefined, settings, {
      programs: new Programs(device, network, slabs, layout),
      slabs,
      ownsDevice,
      loss: options.loss ?? header.loss,
    });
  } catch (error) {
    slabs?.dispose();
    if (ownsDevice) await device.close();
    throw error;
  }
}

interface Contents extends Required<NetworkWithWeights> {
  seed: number;
  precision: Precision;
  preprocess: Preprocess | null;
  classes: readonly string[] | null;
  loss: Json;
}

async function contentsOf(source: string | ModelSource, averaged: boolean): Promise<Contents> {
  if (typeof source === 'string') {
    const { header, weights, slots } = await readCheckpoint(source, { slots: averaged });
    const averages = slots.get(averageSlot);
    if (averaged && averages === undefined) throw noAverage();
    for (const [name, tensor] of averages ?? []) weights.set(name, tensor);
    return { ...header, network: Network.fromJSON(header.network), weights };
  }
  if (averaged) throw noAverage();
  const { network, weights, precision = 'float32', preprocess, classes } = source;
  if (!(network instanceof Network && weights instanceof Map))
    throw new StriateError('INVALID_ARGUMENT', 'load takes a path or { network, weights }', {
      remedy: 'Give the path of a checkpoint, or a network with all its weights.',
    });
  const rest = { preprocess: preprocess ?? null, classes: classes ?? null };
  return { network, weights, precision, ...rest, seed: 0, loss: 'external' };
}

function isLoss(loss: Loss | Json): loss is Loss {
  return typeof (loss as Partial<Loss> | null)?.forward === 'function';
}

/** The weights without those of auxiliary branches. */
function forInference(
  trained: Network,
  network: Network,
  saved: ReadonlyMap<string, HostTensor>,
): ReadonlyMap<string, HostTensor> {
  if (trained === network) return saved;
  const kept = new Set(network.parameters().map(({ name }) => name));
  const dropped = new Set(trained.parameters().map(({ name }) => name));
  return new Map([...saved].filter(([name]) => kept.has(name) || !dropped.has(name)));
}

/** A network on a device for inference only; concurrent calls queue. Made by `load()`. */
export class Model extends DeviceNetwork<object> implements AsyncDisposable {
  readonly #lifetime = new Lifetime('model', 'Load it again.');
  readonly #inference: Inference;

  constructor(
    readonly network: Network,
    readonly device: Device,
    readonly classes: readonly string[] | undefined,
    private readonly settings: ProgramSettings,
    private readonly held: {
      programs: Programs;
      slabs: Slabs;
      ownsDevice: boolean;
      loss: Loss | Json;
    },
  ) {
    super();
    this.#inference = new Inference(network, held.programs, settings, this.#lifetime);
  }

  get precision(): Precision {
    return this.settings.precision;
  }

  /** `[height, width, channels]` of the images that it takes. */
  get inputShape(): Shape {
    return endsOf(this.network).input;
  }

  /**
   * What it measures by.
   * @throws StriateError `INVALID_ARGUMENT` where the checkpoint’s was a function or external.
   */
  get loss(): Loss {
    const { loss } = this.held;
    return isLoss(loss) ? loss : lossFromJSON(loss);
  }

  /** Waits for the calls under way and frees everything. Twice is harmless. */
  close(): Promise<void> {
    return this.#lifetime.close(async () => {
      await this.#inference.idle();
      this.held.programs.dispose();
      this.held.slabs.dispose();
      if (this.held.ownsDevice) await this.device.close();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  protected use<T>(_options: object, task: (inference: Inference) => Promise<T>): Promise<T> {
    this.#lifetime.checkOpen();
    return task(this.#inference);
  }

  protected lossFor(): Loss {
    return this.loss;
  }
}
