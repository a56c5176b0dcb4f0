import { StriateError } from '../errors.js';
import type { Json } from '../graph/layer.js';
import { Network } from '../graph/network.js';
import type { Shape } from '../graph/shape.js';
import { lossFromJSON } from '../losses/index.js';
import type { Loss } from '../losses/loss.js';
import { averageSlot } from '../optimizers/average.js';
import { compileInference } from '../program/compile.js';
import type { Dataset } from '../data/dataset.js';
import type { Device, DeviceName } from '../runtime/device.js';
import { noAverage } from './averaged.js';
import { readCheckpoint } from './checkpoint.js';
import {
  topClasses,
  type Classification,
  type ClassifyOptions,
  type Prediction,
} from './classify.js';
import { checkFits, evaluateSet } from './evaluate.js';
import type { Images } from './images.js';
import { initialValues } from './initial.js';
import type { Metrics } from './metrics.js';
import { Mutex } from './mutex.js';
import { Predictor } from './predictor.js';
import { compileSettings, likelyType, Programs, type ProgramSettings } from './programs.js';
import { deviceFor, endsOf } from './setup.js';
import { Slabs } from './slabs.js';
import { TargetRules } from './targets.js';

export type { Classification, ClassifyOptions, Prediction } from './classify.js';

export interface LoadOptions {
  /** Default `'auto'`. A device that is given stays open when the model closes. */
  device?: Device | DeviceName;
  /** Threads of a device that the model opens; default: one a core. */
  threads?: number;
  /** Images that run at once; more are taken in parts. Default 16. */
  batch?: number;
  /** The moving average of the parameters instead of the last ones. Default false. */
  averaged?: boolean;
}

/**
 * A network with the parameters of a checkpoint, for inference.
 * @throws FormatError when the file is damaged or no checkpoint.
 */
export async function load(path: string, options: LoadOptions = {}): Promise<Model> {
  const { averaged = false } = options;
  const { header, weights, slots } = await readCheckpoint(path, { slots: averaged });
  const averages = slots.get(averageSlot);
  if (averaged && averages === undefined) throw noAverage();
  for (const [name, tensor] of averages ?? []) weights.set(name, tensor);
  const network = Network.fromJSON(header.network);
  const { input } = endsOf(network);
  const { batch = 16 } = options;
  const { precision, classes, preprocess } = header;
  const ownsDevice = typeof options.device !== 'object';
  const device = await deviceFor({ ...options, precision });
  let slabs: Slabs | undefined;
  try {
    const { target } = device;
    const settings = { batch, precision, preprocess: preprocess ?? undefined, target };
    const layout = compileInference(network, compileSettings(settings, likelyType(input)));
    const values = initialValues(network, header.seed, precision, { weights, missing: undefined });
    slabs = new Slabs(device, layout);
    await slabs.write(values);
    return new Model(network, device, classes ?? undefined, settings, {
      programs: new Programs(device, network, slabs, layout),
      slabs,
      ownsDevice,
      loss: header.loss,
    });
  } catch (error) {
    slabs?.dispose();
    if (ownsDevice) await device.close();
    throw error;
  }
}

/** A network on a device for inference only; concurrent calls queue. Made by `load()`. */
export class Model implements AsyncDisposable {
  readonly #predictor: Predictor;
  readonly #evaluating = new Mutex();
  readonly #input: Shape;
  readonly #output: Shape;
  #closing: Promise<void> | undefined;

  constructor(
    readonly network: Network,
    readonly device: Device,
    /** Names of the classes, where they are known. */
    readonly classes: readonly string[] | undefined,
    private readonly settings: ProgramSettings,
    private readonly held: { programs: Programs; slabs: Slabs; ownsDevice: boolean; loss: Json },
  ) {
    const { input, output } = endsOf(network);
    this.#input = input;
    this.#output = output;
    this.#predictor = new Predictor(settings.batch, input, output, settings.precision, (type) =>
      held.programs.inference(settings, type),
    );
  }

  /** `[height, width, channels]` of the images that it takes. */
  get inputShape(): Shape {
    return this.#input;
  }

  /**
   * The network's raw outputs `[n, ...]` for any number of images `[n, height, width, channels]`.
   * @throws StriateError `INVALID_ARGUMENT` for an array of the wrong type or length.
   */
  async predict(x: Images): Promise<Prediction> {
    this.#checkOpen();
    return this.#predictor.predict(x);
  }

  /** Softmax over the outputs, the best classes first, for each image. */
  async classify(x: Images, options: ClassifyOptions = {}): Promise<Classification[][]> {
    return topClasses(await this.predict(x), this.classes, options.top ?? 1);
  }

  /**
   * Loss and accuracy over a whole set, by the loss that the network was trained with.
   * @throws StriateError `INVALID_ARGUMENT` when that loss was a function or external.
   */
  async evaluate(set: Dataset, options: { signal?: AbortSignal } = {}): Promise<Metrics> {
    this.#checkOpen();
    const loss: Loss = lossFromJSON(this.held.loss);
    const rules = new TargetRules(loss, this.#output, this.settings.precision);
    checkFits(set, this.#input, rules);
    return this.#evaluating.run(async () => {
      this.#checkOpen();
      const executable = this.held.programs.evaluation(this.settings, loss, set.dtype);
      return evaluateSet(executable, set, rules, options.signal);
    });
  }

  /** Waits for the calls under way and frees everything. Twice is harmless. */
  close(): Promise<void> {
    this.#closing ??= this.#closeNow();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(): void {
    if (this.#closing)
      throw new StriateError('DISPOSED', 'the model is closed', { remedy: 'Load it again.' });
  }

  async #closeNow(): Promise<void> {
    await Promise.all([this.#predictor.idle(), this.#evaluating.run(() => undefined)]);
    this.held.programs.dispose();
    this.held.slabs.dispose();
    if (this.held.ownsDevice) await this.device.close();
  }
}
