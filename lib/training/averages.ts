import type { NativeBuffer } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import { averageSlot } from '../optimizers/average.js';
import { native } from '../runtime/errors.js';
import { Inference } from './inference.js';
import type { Lifetime } from './lifetime.js';
import { Mutex } from './mutex.js';
import { Programs } from './programs.js';
import type { RunState } from './run-state.js';
import type { TrainerParts } from './setup.js';
import { writeTo, type Slabs } from './slabs.js';
import type { Weights } from './weights.js';

/** The averaged parameters of a trainer: to read, and in memory of their own to measure and predict with. */
export class Averages {
  readonly #turns = new Mutex();
  #copy: { inference: Inference; programs: Programs; parameters: NativeBuffer } | undefined;
  /** The step whose averages the copy holds. */
  #step = -1;

  constructor(
    private readonly parts: TrainerParts,
    private readonly state: RunState,
    private readonly lifetime: Lifetime,
  ) {}

  /** Runs a task with the averages of this moment; tasks queue. */
  use<T>(task: (inference: Inference) => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      if (this.parts.settings.average === undefined) throw noAverage();
      return task(await this.lifetime.inTurn(() => this.#refreshed()));
    });
  }

  /** To be called between steps. */
  weights(): Promise<Weights> {
    return averagedWeights(this.parts.slabs, this.state.steps);
  }

  /** Resolves when no task is under way. */
  idle(): Promise<void> {
    return this.#turns.run(() => undefined);
  }

  dispose(): void {
    this.#copy?.programs.dispose();
    this.#copy?.parameters.dispose();
  }

  async #refreshed(): Promise<Inference> {
    const { inference, parameters } = (this.#copy ??= this.#allocate());
    const { steps } = this.state;
    if (steps !== this.#step) {
      const weights = await this.weights();
      for (const { name, region, offset } of this.parts.slabs.parameters)
        if (region === 'parameters')
          await writeTo(parameters, offset, weights.get(name)!.data as Float32Array);
      this.#step = steps;
    }
    return inference;
  }

  #allocate(): { inference: Inference; programs: Programs; parameters: NativeBuffer } {
    const { device, network, slabs, layout, settings } = this.parts;
    const parameters = native(() => device.native.allocate(layout.bytes.parameters, 'parameters'));
    const buffers = { ...slabs.buffers, parameters };
    const programs = new Programs(device, network, { buffers }, layout);
    const inference = new Inference(network, programs, settings, this.lifetime);
    return { inference, programs, parameters };
  }
}

/** All parameters, the trained ones averaged; before the first step there is nothing to average. */
async function averagedWeights(slabs: Slabs, steps: number): Promise<Weights> {
  const weights = await slabs.read();
  if (steps === 0) return weights;
  for (const [name, tensor] of (await slabs.readSlots()).get(averageSlot)!)
    weights.set(name, tensor);
  return weights;
}

export function noAverage(): StriateError {
  return new StriateError('INVALID_ARGUMENT', 'there is no average of the parameters', {
    remedy: 'Train with the option average: { decay: 0.999 }.',
  });
}
