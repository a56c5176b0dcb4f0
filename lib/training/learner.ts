import type { Batch, DataPosition } from '../data/batches.js';
import type { Dataset } from '../data/dataset.js';
import { checkFits } from './evaluate.js';
import type { Learner } from './fit.js';
import type { Lifetime } from './lifetime.js';
import { busy, needsLoss } from './refusals.js';
import type { RunState } from './run-state.js';
import { endsOf } from './ends.js';
import type { TrainerParts } from './setup.js';
import type { StepOutcome } from './step.js';
import type { Stepper } from './stepper.js';
import type { TargetRules } from './targets.js';

/** A trainer as its fits see it; one of them has it at a time. */
export class TrainerLearner implements Learner {
  readonly batch: number;
  readonly seed: number;
  #owner: object | undefined;
  /** The fit needs the network's outputs. */
  #outputs = false;

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

  claim(owner: object, outputs: boolean): void {
    this.lifetime.checkOpen();
    if (this.rules === undefined) throw needsLoss('fit');
    if (this.#owner && this.#owner !== owner) throw busy();
    this.#owner = owner;
    this.#outputs = outputs;
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
    this.stepper.stage(slot, batch, batch.n, this.#outputs);
  }

  runStaged(slot: 0 | 1, batch: Batch): Promise<StepOutcome> {
    const outputs = this.#outputs;
    // The reader fills its arrays again while this batch runs.
    const own = outputs ? { ...batch, target: batch.target.slice() } : batch;
    return this.lifetime.inTurn(() => this.stepper.runStaged(slot, own, batch.n, outputs));
  }

  noteEpochEnd(epoch: number): void {
    this.state.noteEpochEnd(epoch);
  }
}
