import type { DataPosition } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import type { Network } from '../graph/network.js';
import type { Loss } from '../losses/loss.js';
import { computeTypeOf, type Precision } from '../program/precision.js';
import { Plan } from '../program/plan.js';
import type { Program, ProgramParameter, Region } from '../program/program.js';
import type { Device } from '../runtime/device.js';
import { Averages, noAverage } from './averages.js';
import { headerOf, writeCheckpoint } from './checkpoint.js';
import type { Prediction } from './classify.js';
import { DeviceNetwork } from './device-network.js';
import { digestOf } from './digest.js';
import { ExternalPass } from './external-pass.js';
import { Fit, type FitOptions } from './fit.js';
import { copyOf, countImages, type Images } from './images.js';
import { Inference } from './inference.js';
import { TrainerLearner } from './learner.js';
import { Lifetime } from './lifetime.js';
import type { LossScaleState } from './loss-scale.js';
import { Programs } from './programs.js';
import { busy, hasLoss, needsLoss } from './refusals.js';
import { RunState } from './run-state.js';
import { endsOf } from './ends.js';
import { setUp, type TrainerParts } from './setup.js';
import { resultOf, type StepBatch, type StepResult } from './step.js';
import { Stepper } from './stepper.js';
import { TargetRules } from './targets.js';
import type { TrainerOptions } from './trainer-options.js';
import type { Weights } from './weights.js';

export type { TrainerOptions } from './trainer-options.js';
export type { StepBatch, StepResult } from './step.js';

export interface TrainerMemory {
  /** Bytes of the training plan by region. */
  planned: Program['bytes'];
  /** The training plan: bytes by purpose and by layer, and where its peak stands. */
  plan: Plan;
  /**
   * Bytes that this trainer holds now, by region: of programs (training, evaluation, inference) those that
   * have run.
   */
  allocated: Partial<Record<Region, number>>;
  allocatedBytes: number;
  /** What lives on the device, this trainer's and others'. */
  device: ReturnType<Device['memory']>;
}

/** With the moving average of the parameters instead of the last ones. */
export interface OfAverages {
  averaged?: boolean;
}

/** A network on a device that learns. Made by `network.trainer()`. */
export class Trainer extends DeviceNetwork<OfAverages> implements AsyncDisposable {
  readonly network: Network;
  readonly device: Device;
  /** Images a step. */
  readonly batch: number;
  readonly seed: number;
  readonly precision: Precision;

  readonly #parts: TrainerParts;
  readonly #lifetime = new Lifetime('trainer', 'Make a new one: network.trainer({ resume }).');
  readonly #state: RunState;
  /** Undefined for an external loss. */
  readonly #rules: TargetRules | undefined;
  readonly #programs: Programs;
  readonly #stepper: Stepper;
  readonly #learner: TrainerLearner;
  readonly #external: ExternalPass;
  readonly #inference: Inference;
  readonly #averages: Averages;

  private constructor(parts: TrainerParts) {
    super();
    const { network, device, settings, layout, slabs, checkpoint } = parts;
    const { precision, loss } = settings;
    const { output } = endsOf(network);
    const dtype = computeTypeOf(precision);
    this.#parts = parts;
    this.#state = new RunState(checkpoint?.header, parts.classes);
    this.#rules = loss === 'external' ? undefined : new TargetRules(loss, output, dtype);
    this.#programs = new Programs(device, network, slabs, layout);
    this.#stepper = new Stepper(parts, this.#programs, this.#rules, this.#state);
    this.#learner = new TrainerLearner(
      ...([parts, this.#stepper, this.#state, this.#lifetime, this.#rules] as const),
      (set, options) => this.evaluate(set, options),
    );
    this.#external = new ExternalPass(this.#stepper, output, dtype);
    this.#inference = new Inference(network, this.#programs, settings, this.#lifetime);
    this.#averages = new Averages(parts, this.#state, this.#lifetime);
    this.network = network;
    this.device = device;
    this.batch = this.#stepper.batch;
    this.seed = parts.seed;
    this.precision = precision;
  }

  /** What `network.trainer(options)` calls. */
  static async create(network: Network, options: TrainerOptions): Promise<Trainer> {
    return new Trainer(await setUp(network, options));
  }

  /** Steps completed. */
  get steps(): number {
    return this.#state.steps;
  }

  /** Epochs completed. */
  get epochs(): number {
    return this.#state.position.epoch;
  }

  /** With `precision: 'float16'`: the scale of the next step, and the steps that were skipped. */
  get lossScale(): LossScaleState | undefined {
    return this.#parts.lossScale?.state;
  }

  /** Where the next batch of the data stands; `batches(set, { start })` goes on there. */
  get position(): DataPosition {
    return this.#state.position;
  }

  get classes(): readonly string[] | undefined {
    return this.#state.classes;
  }

  /** Number of classes; undefined for losses that do not classify. */
  get classCount(): number | undefined {
    return this.#rules?.classes;
  }

  /** Name, shape and kind of every parameter and running statistic. */
  get parameters(): readonly ProgramParameter[] {
    return this.#parts.layout.parameters;
  }

  /**
   * Trains on a data set: iterate the result to see every epoch, or await it. See `Fit`.
   * @throws StriateError, when it is iterated or awaited: `BUSY` while another fit is active,
   *   `CANCELLED` after an abort (the last step is complete), `NOT_FINITE` for a loss or gradient that
   *   is not finite (everything is as before that step), `INVALID_DATA` for a label out of range.
   */
  fit(set: Dataset, options: FitOptions = {}): Fit {
    return new Fit(this.#learner, set, options);
  }

  /**
   * One step on a batch of at most `batch` images, copied before the call returns. Calls queue.
   * In float16 a step whose gradients overflow is `skipped`: nothing changes but the loss scale.
   * @throws StriateError as `fit`; `INVALID_ARGUMENT` for arrays of the wrong type or length.
   */
  async step(batch: StepBatch): Promise<StepResult> {
    this.#checkFree();
    const rules = this.#rules;
    if (rules === undefined) throw needsLoss('step');
    // A caller in plain JavaScript may forget it.
    const n = this.#count((batch as StepBatch | undefined)?.x as Images);
    const target = rules.check(batch.target, n, batch.indices);
    const own = { ...batch, x: copyOf(batch.x), target: copyOf(target) };
    return this.#lifetime.inTurn(async () => {
      const outcome = await this.#stepper.runWhole(own, n);
      this.#state.countFromHere();
      return resultOf(outcome, this.steps, rules.classes !== undefined);
    });
  }

  /** The training pass forward, with `loss: 'external'`: the network's output for these images. */
  async forward(x: Images): Promise<Prediction> {
    this.#checkExternal();
    const n = this.#count(x);
    this.#stepper.checkBatch(n);
    const images = copyOf(x);
    return this.#lifetime.inTurn(() => this.#external.forward(images, n));
  }

  /** The gradients, from `dy`, the loss's gradient by the output of the last `forward`. */
  async backward(dy: Float32Array | Float64Array): Promise<void> {
    this.#checkExternal();
    return this.#lifetime.inTurn(() => this.#external.backward(dy));
  }

  /** Changes the parameters by the gradients of the last `backward`. @throws `NOT_FINITE` */
  async update(): Promise<Pick<StepResult, 'step' | 'learningRate' | 'skipped'>> {
    this.#checkExternal();
    return this.#lifetime.inTurn(async () => {
      const done = await this.#external.update();
      return { step: this.steps, ...done };
    });
  }

  /** A copy of all parameters, or of their moving averages, and of all running statistics. */
  async weights(options: OfAverages = {}): Promise<Weights> {
    this.#lifetime.checkOpen();
    const { settings, slabs } = this.#parts;
    const averaged = options.averaged === true;
    if (averaged && settings.average === undefined) throw noAverage();
    return this.#lifetime.inTurn(() => (averaged ? this.#averages.weights() : slabs.read()));
  }

  /** SHA-256 of all parameters and running statistics: equal for equal runs. */
  async parametersSha256(): Promise<string> {
    return digestOf(await this.weights());
  }

  /** What the plan says, what this trainer holds, and what the device counts. */
  memory(): TrainerMemory {
    this.#lifetime.checkOpen();
    const { layout, slabs } = this.#parts;
    const allocated = { ...this.#programs.allocated, ...slabs.allocated };
    return {
      planned: { ...layout.bytes },
      plan: new Plan(layout),
      allocated,
      allocatedBytes: Object.values(allocated).reduce((a, b) => a + b, 0),
      device: this.device.memory(),
    };
  }

  /** Writes a checkpoint: all that `resume` and `load` need. The file appears whole or not at all. */
  async save(path: string): Promise<void> {
    this.#lifetime.checkOpen();
    const { slabs } = this.#parts;
    const checkpoint = await this.#lifetime.inTurn(async () => ({
      header: headerOf(this.#parts, this.#state),
      weights: await slabs.read(),
      slots: await slabs.readSlots(),
    }));
    await writeCheckpoint(path, checkpoint);
  }

  /** Waits for the current step and frees everything. Twice is harmless. */
  close(): Promise<void> {
    return this.#lifetime.close(async () => {
      await Promise.all([this.#inference.idle(), this.#averages.idle()]);
      this.#programs.dispose();
      this.#averages.dispose();
      this.#parts.slabs.dispose();
      if (this.#parts.ownsDevice) await this.device.close();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  protected async use<T>(
    { averaged }: OfAverages,
    task: (inference: Inference) => Promise<T>,
  ): Promise<T> {
    this.#lifetime.checkOpen();
    return averaged === true ? this.#averages.use(task) : task(this.#inference);
  }

  protected lossFor(what: string): Loss {
    const { loss } = this.#parts.settings;
    if (loss === 'external') throw needsLoss(what);
    return loss;
  }

  #count(x: Images): number {
    return countImages(x, endsOf(this.network).input);
  }

  #checkFree(): void {
    this.#lifetime.checkOpen();
    if (this.#learner.taken) throw busy();
  }

  #checkExternal(): void {
    this.#checkFree();
    if (this.#rules !== undefined) throw hasLoss();
  }
}
