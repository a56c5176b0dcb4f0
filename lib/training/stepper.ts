import type { NativeControl } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import type { Executable } from '../runtime/executable.js';
import { measured } from './evaluate.js';
import { copyOf, imageType } from './images.js';
import { auxiliaryLosses, sumsOf } from './metrics.js';
import { leastPart, runParts } from './micro-batches.js';
import type { Programs } from './programs.js';
import { checkBatch, notFinite } from './refusals.js';
import type { DataMark, RunState } from './run-state.js';
import { leastBatch } from './ends.js';
import type { TrainerParts } from './setup.js';
import type { StepBatch, StepOutcome } from './step.js';
import type { TargetRules, Targets } from './targets.js';

/** Runs single steps. Its callers see to it that one runs at a time. */
export class Stepper {
  /** Images a step. */
  readonly batch: number;
  readonly #leastBatch: number;
  /** Batches that are staged whole and run in micro-batches, by slot. */
  readonly #waiting = new Map<0 | 1, StepBatch>();

  constructor(
    private readonly parts: TrainerParts,
    private readonly programs: Programs,
    /** Undefined for an external loss. */
    private readonly rules: TargetRules | undefined,
    private readonly state: RunState,
  ) {
    const { settings, network } = parts;
    this.batch = settings.accumulated ?? settings.batch;
    this.#leastBatch = leastBatch(network);
  }

  /** Checks a batch and copies it into a staging slot. `logits`: the step will give the outputs too. */
  stage(slot: 0 | 1, batch: StepBatch, n: number, logits = false): void {
    const target = this.#checkedTarget(batch, n);
    if (this.#inParts)
      this.#waiting.set(slot, { ...batch, x: copyOf(batch.x), target: copyOf(target) });
    else this.executableFor(batch.x, logits).stage(slot, { images: batch.x, target });
  }

  /** A step over what stands in the slot, staged with the same `logits`; then `target` may not change. */
  async runStaged(slot: 0 | 1, batch: StepBatch, n: number, logits: boolean): Promise<StepOutcome> {
    const waiting = this.#waiting.get(slot);
    const executable = this.executableFor(batch.x, logits);
    if (waiting === undefined) return this.#run(executable, slot, n, batch);
    this.#waiting.delete(slot);
    return this.#runInParts(executable, waiting, n, batch);
  }

  /** A step over a batch that nobody else changes. */
  async runWhole(own: StepBatch, n: number): Promise<StepOutcome> {
    if (!this.#inParts) {
      this.stage(0, own, n);
      return this.#run(this.executableFor(own.x), 0, n, own);
    }
    this.#checkedTarget(own, n);
    return this.#runInParts(this.executableFor(own.x), own, n, own);
  }

  executableFor(x: unknown, logits = false): Executable {
    return this.programs.training(this.parts.settings, imageType(x), logits);
  }

  /** @throws StriateError `INVALID_ARGUMENT` */
  checkBatch(n: number): void {
    checkBatch(n, {
      most: this.batch,
      least: this.#leastBatch,
      smallest: leastPart(n, this.parts.settings.batch),
    });
  }

  /** Of the next step. */
  learningRate(): number {
    const { steps, stepsPerEpoch = NaN } = this.state;
    const rate = this.parts.settings.optimizer.learningRate.at(steps, { stepsPerEpoch });
    if (Number.isFinite(rate)) return rate;
    throw new StriateError('INVALID_ARGUMENT', `the learning rate of step ${steps} is ${rate}`, {
      remedy:
        'A schedule in epochs needs to know their length: use fit() or batches() on a set with a length.',
    });
  }

  control(learningRate: number): NativeControl {
    const lossScale = this.parts.lossScale?.state.scale ?? 1;
    const { seed } = this.parts;
    return { step: this.state.steps, sampleOffset: 0, seed, learningRate, lossScale };
  }

  /** Counts the step, or skips it. @throws `NOT_FINITE` where a smaller loss scale would not help. */
  finish(committed: boolean, loss: number | undefined): void {
    const { lossScale } = this.parts;
    if (committed) {
      this.state.steps++;
      lossScale?.stepped();
      return;
    }
    const scalable = loss === undefined || Number.isFinite(loss);
    if (!scalable || !lossScale?.overflowed()) throw notFinite(this.state.steps + 1, loss);
  }

  get #inParts(): boolean {
    return this.parts.settings.accumulated !== undefined;
  }

  async #run(
    executable: Executable,
    slot: 0 | 1,
    n: number,
    data: StepBatch,
  ): Promise<StepOutcome> {
    const control = this.#begin(data);
    const { outputs, committed } = await executable.run({ n, slot, control });
    const sums = sumsOf(outputs, n);
    this.finish(committed, sums.loss / sums.weight);
    this.state.move(data, n);
    const auxiliary = auxiliaryLosses(outputs, this.parts.network.auxiliary.length);
    return {
      ...sums,
      ...{ learningRate: control.learningRate, auxiliary, skipped: !committed },
      ...('logits' in outputs && { measured: measured(executable, outputs, data.target, n) }),
    };
  }

  /**
   * A step of several passes whose gradients add up; the update is a run of its own. The passes move the
   * running statistics, which go back where the step does not come about.
   */
  async #runInParts(
    executable: Executable,
    own: StepBatch,
    n: number,
    data: DataMark,
  ): Promise<StepOutcome> {
    const control = this.#begin(data);
    const { network, settings, slabs } = this.parts;
    const [before] = await Promise.all([slabs.readState(), slabs.clearGradients()]);
    let committed = false;
    try {
      const { sums, auxiliary, last, logits } = await runParts(executable, own, n, {
        ...{ most: settings.batch, rules: this.rules!, control, heads: network.auxiliary.length },
      });
      const update = { n: last, range: 'update', outputs: [], control } as const;
      if (Number.isFinite(sums.loss)) ({ committed } = await executable.run(update));
      this.finish(committed, sums.loss / sums.weight);
      this.state.move(data, n);
      return {
        ...sums,
        ...{ learningRate: control.learningRate, auxiliary, skipped: !committed },
        ...(logits && { measured: measured(executable, { logits }, own.target, n) }),
      };
    } finally {
      if (!committed) await slabs.writeState(before);
    }
  }

  /** What the device is told of the step that begins. */
  #begin(data: DataMark): NativeControl {
    if ('stepsPerEpoch' in data) this.state.stepsPerEpoch = data.stepsPerEpoch;
    return this.control(this.learningRate());
  }

  #checkedTarget(batch: StepBatch, n: number): Targets {
    this.checkBatch(n);
    return this.rules!.check(batch.target, n, batch.indices);
  }
}
