import type { Batch, DataPosition } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { elementsOf, type Shape } from '../graph/shape.js';
import { computeTypeOf, type Precision } from '../program/precision.js';
import { Plan } from '../program/plan.js';
import type { Program, ProgramParameter, Region } from '../program/program.js';
import type { Device } from '../runtime/device.js';
import type { Executable } from '../runtime/executable.js';
import { Averaged, averagedWeights, noAverage } from './averaged.js';
import { writeCheckpoint } from './checkpoint.js';
import {
  topClasses,
  type Classification,
  type ClassifyOptions,
  type Prediction,
} from './classify.js';
import { digestOf } from './digest.js';
import { checkFits, evaluateSet } from './evaluate.js';
import { Fit, type FitOptions, type Learner } from './fit.js';
import { copyOf, countImages, imageType, type Images } from './images.js';
import type { LossScale, LossScaleState } from './loss-scale.js';
import { auxiliaryLosses, sumsOf, type Metrics, type StepSums } from './metrics.js';
import { Mutex } from './mutex.js';
import { Predictor } from './predictor.js';
import { Programs, type TrainingSettings } from './programs.js';
import { endsOf, leastBatch, setUp, type TrainerOptions, type TrainerParts } from './setup.js';
import type { Slabs } from './slabs.js';
import { TargetRules, type Targets } from './targets.js';
import { convertData, type Weights } from './weights.js';

export type { TrainerOptions } from './setup.js';

/** What `step` takes: images and what the loss compares with. `batches()` gives it. */
export interface StepBatch extends DataMark {
  x: Images;
  target: Targets;
}

/** Where a batch stands in its data; of a batch from elsewhere nothing is known. */
type DataMark = Partial<Pick<Batch, 'epoch' | 'sample' | 'last' | 'indices' | 'stepsPerEpoch'>>;

export interface StepResult {
  /** Steps completed, this one included. */
  step: number;
  /** Mean over the samples that count; of the network's output alone. */
  loss: number;
  /** Mean loss of each auxiliary output, without its weight; only where the network has some. */
  auxiliary?: readonly number[];
  /** Fraction; NaN for losses without classes. */
  accuracy: number;
  /** Samples that count. */
  count: number;
  learningRate: number;
  /** The gradients overflowed in float16: nothing was changed but the loss scale, and no step counted. */
  skipped: boolean;
}

/** Sums of a step, and what became of it. */
type StepOutcome = StepSums & { learningRate: number; auxiliary: number[]; skipped: boolean };

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

/** A network on a device that learns. Made by `network.trainer()`. */
export class Trainer implements Learner, AsyncDisposable {
  readonly network: Network;
  readonly device: Device;
  /** Images a step. */
  readonly batch: number;
  readonly seed: number;
  readonly precision: Precision;

  readonly #settings: TrainingSettings;
  readonly #ownsDevice: boolean;
  readonly #layout: Program;
  readonly #slabs: Slabs;
  readonly #programs: Programs;
  readonly #predictor: Predictor;
  readonly #input: Shape;
  readonly #output: Shape;
  /** Undefined for an external loss. */
  readonly #rules: TargetRules | undefined;
  readonly #leastBatch: number;
  /** Undefined for precisions that need none. */
  readonly #lossScale: LossScale | undefined;
  /** Steps, and whatever must see the state between two of them. */
  readonly #lock = new Mutex();
  readonly #evaluating = new Mutex();
  #averaged: Averaged | undefined;
  /** Batches that are staged whole and run in micro-batches, by slot. */
  readonly #waiting = new Map<0 | 1, StepBatch>();
  #classes: readonly string[] | undefined;
  #steps: number;
  #position: DataPosition;
  #underWay: { length: number; shuffle: boolean } | undefined;
  #began = { epoch: 0, step: 0 };
  #stepsPerEpoch: number | undefined;
  #fit: object | undefined;
  #external: { executable: Executable; n: number; ready: 'backward' | 'update' } | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: TrainerParts) {
    const { network, device, settings, layout, slabs, checkpoint } = parts;
    const { batch, precision, loss } = settings;
    const { input, output } = endsOf(network);
    const dtype = computeTypeOf(precision);
    this.network = network;
    this.device = device;
    this.batch = settings.accumulated ?? batch;
    this.seed = parts.seed;
    this.precision = precision;
    this.#settings = settings;
    this.#ownsDevice = parts.ownsDevice;
    this.#layout = layout;
    this.#slabs = slabs;
    this.#programs = new Programs(device, network, slabs, layout);
    this.#predictor = new Predictor(batch, input, output, dtype, (type) =>
      this.#programs.inference(settings, type),
    );
    this.#input = input;
    this.#output = output;
    this.#rules = loss === 'external' ? undefined : new TargetRules(loss, output, dtype);
    this.#leastBatch = leastBatch(network);
    this.#lossScale = parts.lossScale;
    this.#classes = parts.classes;
    this.#steps = checkpoint?.header.step ?? 0;
    const data = checkpoint?.header.data;
    this.#position = { epoch: data?.epoch ?? 0, sample: data?.sample ?? 0 };
    if (data && data.length !== null && data.shuffle !== null)
      this.#underWay = { length: data.length, shuffle: data.shuffle };
  }

  /** What `network.trainer(options)` calls. */
  static async create(network: Network, options: TrainerOptions): Promise<Trainer> {
    return new Trainer(await setUp(network, options));
  }

  /** Steps completed. */
  get steps(): number {
    return this.#steps;
  }

  /** Epochs completed. */
  get epochs(): number {
    return this.#position.epoch;
  }

  /** With `precision: 'float16'`: the scale of the next step, and the steps that were skipped. */
  get lossScale(): LossScaleState | undefined {
    return this.#lossScale?.state;
  }

  /** Where the next batch of the data stands; `batches(set, { start })` goes on there. */
  get position(): DataPosition {
    return { ...this.#position };
  }

  /** Names of the classes, where they are known. */
  get classes(): readonly string[] | undefined {
    return this.#classes;
  }

  /** Name, shape and kind of every parameter and running statistic. */
  get parameters(): readonly ProgramParameter[] {
    return this.#layout.parameters;
  }

  // Training by epochs.

  /**
   * Trains on a data set: iterate the result to see every epoch, or await it. See `Fit`.
   * @throws StriateError, when it is iterated or awaited: `BUSY` while another fit is active,
   *   `CANCELLED` after an abort (the last step is complete), `NOT_FINITE` for a loss or gradient that
   *   is not finite (everything is as before that step), `INVALID_DATA` for a label out of range.
   */
  fit(set: Dataset, options: FitOptions = {}): Fit {
    return new Fit(this, set, options);
  }

  /** For `Fit`. */
  get began(): { epoch: number; step: number } {
    return this.#began;
  }

  /** Number of classes; undefined for losses that do not classify. */
  get classCount(): number | undefined {
    return this.#rules?.classes;
  }

  /** For `Fit`. */
  claim(owner: object): void {
    this.#checkOpen();
    if (this.#settings.loss === 'external') throw needsLoss('fit');
    if (this.#fit && this.#fit !== owner) throw busy();
    this.#fit = owner;
  }

  /** For `Fit`. */
  release(owner: object, finished: boolean): void {
    if (this.#fit !== owner) return;
    this.#fit = undefined;
    if (finished) this.#began = { epoch: this.#position.epoch, step: this.#steps };
  }

  /** For `Fit`. */
  checkSet(set: Dataset, shuffle: boolean): void {
    checkFits(set, this.#input, this.#rules as TargetRules);
    this.#classes ??= set.classes;
    if (this.#position.sample === 0) {
      this.#underWay = { length: set.length, shuffle };
      return;
    }
    const { length, shuffle: before } = this.#underWay ?? { length: set.length, shuffle };
    if (length !== set.length || before !== shuffle)
      throw new StriateError(
        'INVALID_ARGUMENT',
        `an epoch over ${length} samples${before ? ', shuffled,' : ''} is under way; the set has ${set.length}`,
        { remedy: 'Go on with the same data set and order.' },
      );
  }

  /** For `Fit`. */
  stage(slot: 0 | 1, batch: Batch): void {
    this.#checkOpen();
    if (this.#settings.accumulated === undefined) {
      this.#stageBatch(slot, batch, batch.n);
      return;
    }
    const target = this.#checkedTarget(batch, batch.n);
    this.#waiting.set(slot, { ...batch, x: copyOf(batch.x), target: copyOf(target) });
  }

  /** For `Fit`. */
  runStaged(slot: 0 | 1, batch: Batch): Promise<StepSums & { learningRate: number }> {
    return this.#lock.run(async () => {
      this.#checkOpen();
      const waiting = this.#waiting.get(slot);
      if (waiting !== undefined) {
        this.#waiting.delete(slot);
        return this.#runInParts(waiting, batch.n, batch);
      }
      const executable = this.#programs.training(this.#settings, imageType(batch.x));
      return this.#run(executable, slot, batch.n, batch);
    });
  }

  // Training step by step.

  /**
   * One step on a batch of at most `batch` images, copied before the call returns. Calls queue.
   * In float16 a step whose gradients overflow is `skipped`: nothing changes but the loss scale.
   * @throws StriateError as `fit`; `INVALID_ARGUMENT` for arrays of the wrong type or length.
   */
  async step(batch: StepBatch): Promise<StepResult> {
    this.#checkFree();
    if (this.#settings.loss === 'external') throw needsLoss('step');
    // A caller in plain JavaScript may forget it.
    const n = countImages((batch as StepBatch | undefined)?.x as Images, this.#input);
    const target = (this.#rules as TargetRules).check(batch.target, n, batch.indices);
    const own = { ...batch, x: copyOf(batch.x), target: copyOf(target) };
    return this.#lock.run(async () => {
      this.#checkOpen();
      const sums = await this.#runWhole(own, n);
      const { learningRate, loss, weight, count, top1, auxiliary, skipped } = sums;
      this.#began = { epoch: this.#position.epoch, step: this.#steps };
      const accuracy = this.classCount === undefined ? NaN : top1 / count;
      return {
        ...{ step: this.#steps, loss: loss / weight, accuracy, count, learningRate, skipped },
        ...(auxiliary.length === 0 ? {} : { auxiliary }),
      };
    });
  }

  /** The training pass forward, with `loss: 'external'`: the network's output for these images. */
  async forward(x: Images): Promise<Prediction> {
    this.#checkFree();
    this.#checkExternal();
    const n = countImages(x, this.#input);
    this.#checkBatch(n);
    const images = copyOf(x);
    return this.#lock.run(async () => {
      this.#checkOpen();
      const executable = this.#programs.training(this.#settings, imageType(images));
      this.#external = undefined;
      executable.stage(0, { images });
      const { outputs } = await executable.run({
        ...{ n, slot: 0, range: 'forward', outputs: ['output'] },
        control: this.#control(0),
      });
      this.#external = { executable, n, ready: 'backward' };
      return { data: outputs.output as Prediction['data'], shape: [n, ...this.#output] };
    });
  }

  /** The gradients, from `dy`, the loss's gradient by the output of the last `forward`. */
  async backward(dy: Float32Array | Float64Array): Promise<void> {
    this.#checkFree();
    this.#checkExternal();
    return this.#lock.run(async () => {
      this.#checkOpen();
      const pass = this.#external;
      if (pass?.ready !== 'backward') throw outOfOrder('backward', 'forward');
      const expected = pass.n * elementsOf(this.#output);
      if (dy.length !== expected)
        throw new StriateError(
          'INVALID_ARGUMENT',
          `dy has ${dy.length} elements, the output has ${expected}`,
          {
            remedy: 'Give one number for each of the output.',
            details: { expected, actual: dy.length },
          },
        );
      const { executable, n } = pass;
      executable.stage(0, { dy: convertData('dy', dy, computeTypeOf(this.precision)) });
      await executable.run({
        n,
        slot: 0,
        range: 'backward',
        outputs: [],
        control: this.#control(0),
      });
      pass.ready = 'update';
    });
  }

  /** Changes the parameters by the gradients of the last `backward`. @throws `NOT_FINITE` */
  async update(): Promise<Pick<StepResult, 'step' | 'learningRate' | 'skipped'>> {
    this.#checkFree();
    this.#checkExternal();
    return this.#lock.run(async () => {
      this.#checkOpen();
      const pass = this.#external;
      if (pass?.ready !== 'update') throw outOfOrder('update', 'backward');
      this.#external = undefined;
      const learningRate = this.#learningRate();
      const { executable, n } = pass;
      const { committed } = await executable.run({
        ...{ n, slot: 0, range: 'update', outputs: [] },
        control: this.#control(learningRate),
      });
      this.#finishStep(committed, undefined);
      return { step: this.#steps, learningRate, skipped: !committed };
    });
  }

  // Measuring and using.

  /** Loss and accuracy over a whole set, in inference: running statistics, no dropout. */
  async evaluate(
    set: Dataset,
    options: { signal?: AbortSignal; averaged?: boolean } = {},
  ): Promise<Metrics> {
    this.#checkOpen();
    const { loss } = this.#settings;
    const rules = this.#rules;
    if (loss === 'external' || !rules) throw needsLoss('evaluate');
    checkFits(set, this.#input, rules);
    return this.#evaluating.run(async () => {
      this.#checkOpen();
      const programs = options.averaged === true ? await this.#averages() : this.#programs;
      const executable = programs.evaluation(this.#settings, loss, set.dtype);
      return evaluateSet(executable, set, rules, options.signal);
    });
  }

  /**
   * The network's raw outputs, in inference; any number of images. Calls queue. `averaged`: with the
   * moving average of the parameters.
   */
  async predict(x: Images, options: { averaged?: boolean } = {}): Promise<Prediction> {
    this.#checkOpen();
    if (options.averaged !== true) return this.#predictor.predict(x);
    const images = copyOf(x);
    return this.#evaluating.run(async () => {
      this.#checkOpen();
      const programs = await this.#averages();
      const predictor = new Predictor(
        ...([
          this.#settings.batch,
          this.#input,
          this.#output,
          computeTypeOf(this.precision),
        ] as const),
        (type) => programs.inference(this.#settings, type),
      );
      return predictor.predict(images);
    });
  }

  /** Softmax over the outputs, the best classes first. */
  async classify(
    x: Images,
    options: ClassifyOptions & { averaged?: boolean } = {},
  ): Promise<Classification[][]> {
    return topClasses(await this.predict(x, options), this.#classes, options.top ?? 1);
  }

  /** A copy of all parameters, or of their moving averages, and of all running statistics. */
  async weights(options: { averaged?: boolean } = {}): Promise<Weights> {
    this.#checkOpen();
    const averaged = options.averaged === true;
    if (averaged && this.#settings.average === undefined) throw noAverage();
    return this.#lock.run(() => {
      this.#checkOpen();
      return averaged ? averagedWeights(this.#slabs, this.#steps) : this.#slabs.read();
    });
  }

  /** SHA-256 of all parameters and running statistics: equal for equal runs. */
  async parametersSha256(): Promise<string> {
    return digestOf(await this.weights());
  }

  /** What the plan says, what this trainer holds, and what the device counts. */
  memory(): TrainerMemory {
    this.#checkOpen();
    const allocated = { ...this.#programs.allocated, ...this.#slabs.allocated };
    return {
      planned: { ...this.#layout.bytes },
      plan: new Plan(this.#layout),
      allocated,
      allocatedBytes: Object.values(allocated).reduce((a, b) => a + b, 0),
      device: this.device.memory(),
    };
  }

  /** Writes a checkpoint: all that `resume` and `load` need. The file appears whole or not at all. */
  async save(path: string): Promise<void> {
    this.#checkOpen();
    const checkpoint = await this.#lock.run(async () => {
      this.#checkOpen();
      const { loss, optimizer, preprocess } = this.#settings;
      const underWay = this.#position.sample > 0 ? this.#underWay : undefined;
      return {
        header: {
          format: 1 as const,
          network: this.network.toJSON(),
          step: this.#steps,
          epoch: this.#position.epoch,
          seed: this.seed,
          precision: this.precision,
          lossScale: this.#lossScale?.toJSON() ?? null,
          schedule: optimizer.learningRate.toJSON(),
          loss: loss === 'external' ? loss : loss.toJSON(),
          optimizer: optimizer.toJSON(),
          data: {
            ...this.#position,
            length: underWay?.length ?? null,
            shuffle: underWay?.shuffle ?? null,
          },
          preprocess: preprocess ?? null,
          classes: this.#classes ?? null,
        },
        weights: await this.#slabs.read(),
        slots: await this.#slabs.readSlots(),
      };
    });
    await writeCheckpoint(path, checkpoint);
  }

  /** Waits for the current step and frees everything. Twice is harmless. */
  close(): Promise<void> {
    this.#closing ??= this.#lock.run(async () => {
      await Promise.all([this.#predictor.idle(), this.#evaluating.run(() => undefined)]);
      this.#programs.dispose();
      this.#averaged?.dispose();
      this.#slabs.dispose();
      if (this.#ownsDevice) await this.device.close();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Programs over the averages as they are now. Only within `#evaluating`. */
  async #averages(): Promise<Programs> {
    if (this.#settings.average === undefined) throw noAverage();
    return this.#lock.run(async () => {
      this.#checkOpen();
      const { device, network } = this;
      this.#averaged ??= new Averaged(device, network, this.#slabs, this.#layout);
      await this.#averaged.refresh(this.#steps);
      return this.#averaged.programs;
    });
  }

  // One step.

  async #run(executable: Executable, slot: 0 | 1, n: number, data: DataMark): Promise<StepOutcome> {
    this.#checkOpen();
    if ('stepsPerEpoch' in data) this.#stepsPerEpoch = data.stepsPerEpoch;
    const learningRate = this.#learningRate();
    const control = this.#control(learningRate);
    const { outputs, committed } = await executable.run({ n, slot, control });
    const sums = sumsOf(outputs, n);
    this.#finishStep(committed, sums.loss / sums.weight);
    this.#movePosition(data, n);
    const auxiliary = auxiliaryLosses(outputs, this.network.auxiliary.length);
    return { ...sums, learningRate, auxiliary, skipped: !committed };
  }

  /** Counts the step, or skips it. @throws `NOT_FINITE` where a smaller loss scale would not help. */
  #finishStep(committed: boolean, loss: number | undefined): void {
    if (committed) {
      this.#steps++;
      this.#lossScale?.stepped();
      return;
    }
    const scalable = loss === undefined || Number.isFinite(loss);
    if (!scalable || !this.#lossScale?.overflowed()) throw notFinite(this.#steps + 1, loss);
  }

  #runWhole(own: StepBatch, n: number): Promise<StepOutcome> {
    if (this.#settings.accumulated === undefined)
      return this.#run(this.#stageBatch(0, own, n), 0, n, own);
    this.#checkedTarget(own, n);
    return this.#runInParts(own, n, own);
  }

  /**
   * A step of several passes over parts of nearly one size, whose gradients add up. Each pass divides its
   * loss by its own count: the loss scale makes that the count of the whole batch, and the update, which
   * is a run of its own, does without it.
   */
  async #runInParts(own: StepBatch, n: number, data: DataMark): Promise<StepOutcome> {
    if ('stepsPerEpoch' in data) this.#stepsPerEpoch = data.stepsPerEpoch;
    const rules = this.#rules as TargetRules;
    const executable = this.#programs.training(this.#settings, imageType(own.x));
    const learningRate = this.#learningRate();
    const control = this.#control(learningRate);
    const whole = rules.count(own.target, n);
    const parts = partsOf(n, this.#settings.batch);
    const stage = (part: Part, slot: 0 | 1): Targets => {
      const target = sliceOf(own.target, part, n);
      executable.stage(slot, { images: sliceOf(own.x, part, n), target });
      return target;
    };
    await this.#slabs.clearGradients();
    const total: StepSums = { loss: 0, weight: 0, count: 0, top1: 0, top5: 0 };
    const auxiliary = this.network.auxiliary.map(() => 0);
    let slot: 0 | 1 = 0;
    let target = stage(parts[0]!, slot);
    for (const [i, { begin, count }] of parts.entries()) {
      const share = whole === 0 ? 0 : rules.count(target, count) / whole;
      const running = executable.run({
        ...{ n: count, slot, range: 'gradients' },
        control: { ...control, sampleOffset: begin, lossScale: control.lossScale * share },
      });
      slot = slot === 0 ? 1 : 0;
      const next = parts[i + 1];
      if (next !== undefined) target = stage(next, slot);
      const { outputs } = await running;
      const sums = sumsOf(outputs, count);
      for (const key of ['loss', 'weight', 'count', 'top1', 'top5'] as const)
        total[key] += sums[key];
      auxiliaryLosses(outputs, auxiliary.length).forEach((loss, head) => {
        auxiliary[head]! += loss * share;
      });
    }
    const { count } = parts.at(-1)!;
    const finite = Number.isFinite(total.loss);
    const { committed } = finite
      ? await executable.run({ ...{ n: count, range: 'update', outputs: [] }, control })
      : { committed: false };
    this.#finishStep(committed, total.loss / total.weight);
    this.#movePosition(data, n);
    return { ...total, learningRate, auxiliary, skipped: !committed };
  }

  #movePosition({ epoch, sample, last }: DataMark, n: number): void {
    if (epoch === undefined || sample === undefined) return;
    this.#position = last ? { epoch: epoch + 1, sample: 0 } : { epoch, sample: sample + n };
  }

  /** For `Fit`: a stream tells only afterwards that an epoch is over. */
  noteEpochEnd(epoch: number): void {
    if (this.#position.epoch === epoch) this.#position = { epoch: epoch + 1, sample: 0 };
  }

  #checkedTarget(batch: StepBatch, n: number): Targets {
    this.#checkBatch(n);
    return (this.#rules as TargetRules).check(batch.target, n, batch.indices);
  }

  #stageBatch(slot: 0 | 1, batch: StepBatch, n: number): Executable {
    const target = this.#checkedTarget(batch, n);
    const executable = this.#programs.training(this.#settings, imageType(batch.x));
    executable.stage(slot, { images: batch.x, target });
    return executable;
  }

  #learningRate(): number {
    const stepsPerEpoch = this.#stepsPerEpoch ?? NaN;
    const rate = this.#settings.optimizer.learningRate.at(this.#steps, { stepsPerEpoch });
    if (Number.isFinite(rate)) return rate;
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the learning rate of step ${this.#steps} is ${rate}`,
      {
        remedy:
          'A schedule in epochs needs to know their length: use fit() or batches() on a set with a length.',
      },
    );
  }

  #control(learningRate: number): {
    step: number;
    sampleOffset: number;
    seed: number;
    learningRate: number;
    lossScale: number;
  } {
    const lossScale = this.#lossScale?.state.scale ?? 1;
    return { step: this.#steps, sampleOffset: 0, seed: this.seed, learningRate, lossScale };
  }

  // Checks.

  #checkOpen(): void {
    if (this.#closing)
      throw new StriateError('DISPOSED', 'the trainer is closed', {
        remedy: 'Make a new one: network.trainer({ resume }).',
      });
  }

  #checkFree(): void {
    this.#checkOpen();
    if (this.#fit) throw busy();
  }

  #checkExternal(): void {
    if (this.#settings.loss === 'external') return;
    throw new StriateError('INVALID_ARGUMENT', 'the trainer has a loss of its own', {
      remedy: 'Use step(), or make the trainer with loss: "external".',
    });
  }

  #checkBatch(n: number): void {
    if (n > this.batch)
      throw new StriateError(
        'INVALID_ARGUMENT',
        `${n} images, the trainer takes up to ${this.batch}`,
        {
          remedy: 'Give a smaller batch, or make the trainer with a larger one.',
          details: { expected: this.batch, actual: n },
        },
      );
    if (n < this.#leastBatch)
      throw new StriateError(
        'INVALID_ARGUMENT',
        'a batch of one image leaves batch normalisation one value a channel, which has no variance',
        { remedy: 'Leave the smaller last batch out: dropLast: true.' },
      );
  }
}

/** Images of a batch that pass together. */
interface Part {
  begin: number;
  count: number;
}

/** The fewest parts of at most `most` images each, in sizes that differ by one at most. */
function partsOf(n: number, most: number): Part[] {
  const parts = Math.ceil(n / most);
  return Array.from({ length: parts }, (_, i) => {
    const begin = Math.floor((i * n) / parts);
    return { begin, count: Math.floor(((i + 1) * n) / parts) - begin };
  });
}

/** The part's range of an array that holds the same for each of n images. */
function sliceOf<A extends Images | Targets>(values: A, { begin, count }: Part, n: number): A {
  const each = values.length / n;
  return values.subarray(begin * each, (begin + count) * each) as A;
}

function busy(): StriateError {
  return new StriateError('BUSY', 'a fit is active on this trainer', {
    remedy: 'Wait until it ends, or leave its loop.',
  });
}

function needsLoss(what: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `${what} needs a loss; this trainer’s is external`, {
    remedy: 'Use forward(), backward() and update(), or make the trainer with a loss.',
  });
}

function outOfOrder(what: string, before: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `${what} follows ${before}`, {
    remedy: 'Call forward(x), backward(dy), update(), in this order.',
  });
}

function notFinite(step: number, loss: number | undefined): StriateError {
  const what = loss === undefined || Number.isFinite(loss) ? 'a gradient' : 'the loss';
  return new StriateError(
    'NOT_FINITE',
    `step ${step}: ${what} is not finite; nothing was changed`,
    {
      remedy: 'Lower the learning rate, and look for infinite or NaN values in the data.',
      details: { step, ...(loss === undefined ? {} : { loss: String(loss) }) },
    },
  );
}
