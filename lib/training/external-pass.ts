import { StriateError } from '../errors.js';
import { elementsOf, type Shape } from '../graph/shape.js';
import type { ComputeType } from '../program/precision.js';
import type { Executable } from '../runtime/executable.js';
import type { Prediction } from './classify.js';
import type { Images } from './images.js';
import { outOfOrder } from './refusals.js';
import type { Stepper } from './stepper.js';
import { convertData } from './weights.js';

/** A step in three calls, whose loss is the caller's: forward, backward, update. */
export class ExternalPass {
  #pass: { executable: Executable; n: number; ready: 'backward' | 'update' } | undefined;

  constructor(
    private readonly stepper: Stepper,
    private readonly output: Shape,
    private readonly dtype: ComputeType,
  ) {}

  async forward(images: Images, n: number): Promise<Prediction> {
    const executable = this.stepper.executableFor(images);
    this.#pass = undefined;
    executable.stage(0, { images });
    const { outputs } = await executable.run({
      ...{ n, slot: 0, range: 'forward', outputs: ['output'] },
      control: this.stepper.control(0),
    });
    this.#pass = { executable, n, ready: 'backward' };
    return { data: outputs.output as Prediction['data'], shape: [n, ...this.output] };
  }

  async backward(dy: Float32Array | Float64Array): Promise<void> {
    const pass = this.#pass;
    if (pass?.ready !== 'backward') throw outOfOrder('backward', 'forward');
    const { executable, n } = pass;
    const expected = n * elementsOf(this.output);
    if (dy.length !== expected)
      throw new StriateError(
        'INVALID_ARGUMENT',
        `dy has ${dy.length} elements, the output has ${expected}`,
        {
          remedy: 'Give one number for each of the output.',
          details: { expected, actual: dy.length },
        },
      );
    executable.stage(0, { dy: convertData('dy', dy, this.dtype) });
    await executable.run({
      ...{ n, slot: 0, range: 'backward', outputs: [] },
      control: this.stepper.control(0),
    });
    pass.ready = 'update';
  }

  async update(): Promise<{ learningRate: number; skipped: boolean }> {
    const pass = this.#pass;
    if (pass?.ready !== 'update') throw outOfOrder('update', 'backward');
    this.#pass = undefined;
    const learningRate = this.stepper.learningRate();
    const { executable, n } = pass;
    const { committed } = await executable.run({
      ...{ n, slot: 0, range: 'update', outputs: [] },
      control: this.stepper.control(learningRate),
    });
    this.stepper.finish(committed, undefined);
    return { learningRate, skipped: !committed };
  }
}
