import type { Shape } from '../graph/shape.js';
import type { ComputeType } from '../program/precision.js';
import type { Executable } from '../runtime/executable.js';
import type { Prediction } from './classify.js';
import { copyOf, countImages, imageType, type Images, type ImageType } from './images.js';
import { Mutex } from './mutex.js';

/** Runs images through a network; concurrent calls queue. */
export class Predictor {
  readonly #lock = new Mutex();

  constructor(
    private readonly batch: number,
    private readonly input: Shape,
    private readonly output: Shape,
    private readonly dtype: ComputeType,
    private readonly executableFor: (type: ImageType) => Executable,
  ) {}

  /** Any number of images, a batch at a time. They are copied before the call returns. */
  async predict(images: Images): Promise<Prediction> {
    const n = countImages(images, this.input);
    const x = copyOf(images);
    return this.#lock.run(async () => {
      const executable = this.executableFor(imageType(x));
      const values = x.length / n;
      const outputs = this.output.reduce((a, b) => a * b, 1);
      const data =
        this.dtype === 'float64' ? new Float64Array(n * outputs) : new Float32Array(n * outputs);
      for (let at = 0; at < n; at += this.batch) {
        const end = Math.min(n, at + this.batch);
        executable.stage(0, { images: x.subarray(at * values, end * values) });
        const { outputs: results } = await executable.run({ n: end - at, slot: 0 });
        data.set(results.output as Float32Array, at * outputs);
      }
      return { data, shape: [n, ...this.output] };
    });
  }

  /** Resolves when no call is under way. */
  idle(): Promise<void> {
    return this.#lock.run(() => undefined);
  }
}
