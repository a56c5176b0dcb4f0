import type { Batch, DataPosition } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import { checkFits } from './evaluate.js';
import type { Learner } from './fit.js';
import type { Lifetime } from './lifetime.js';
import type { StepSums } from './metrics.js';
import { busy, needsLoss } from './refusals.js';
import type { RunState } from './run-state.js';
import { endsOf } from './ends.js';
import type { TrainerParts } from './setup.js';
import type { Stepper } from './stepper.js';
import type { TargetRules } from './targets.js';

/** A trainer as its fits see it; one of them has it at a time. */
export class TrainerLearner implements Learner {
  readonly batch: number;
  readonly seed: number;
  #owner: object | undefined;

  constructor(
    private readonly parts: TrainerParts,
    private readonly stepper: Stepper,
    private readonly state: RunState,
    private readonly lifetime: Lifetime,
    private readonly rules: TargetRules | undefined,
    readonly evaluate: Learner['evaluate'],
  ) {
    this.batch = stepper.batch;
    this.seed = parts.seed;
  }

  get steps(): number {
    return this.state.steps;
  }

  get position(): DataPosition {
    return this.state.position;
  }

  get began(): { epoch: number; step: number } {
    return this.state.began;
  }

  get classCount(): number | undefined {
    return this.rules?.classes;
  }

  /** A fit is under way. */
  get taken(): boolean {
    return this.#owner !== undefined;
  }

  claim(owner: object): void {
    this.lifetime.checkOpen();
    if (this.rules === undefined) throw needsLoss('fit');
    if (this.#owner && this.#owner !== owner) throw busy();
    this.#owner = owner;
  }

  release(owner: object, finished: boolean): void {
    if (this.#owner !== owner) return;
    this.#owner = undefined;
    if (finished) this.state.countFromHere();
  }

  checkSet(set: Dataset, shuffle: boolean): void {
    checkFits(set, endsOf(this.parts.network).input, this.rules!);
    this.state.takeUp(set, shuffle);
  }

  stage(slot: 0 | 1, batch: Batch): void {
    this.lifetime.checkOpen();
    this.stepper.stage(slot, batch, batch.n);
  }

  runStaged(slot: 0 | 1, batch: Batch): Promise<StepSums & { learningRate: number }> {
    return this.lifetime.inTurn(() => this.stepper.runStaged(slot, batch, batch.n));
  }

  noteEpochEnd(epoch: number): void {
    this.state.noteEpochEnd(epoch);
  }
}
