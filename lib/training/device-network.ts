import type { Dataset } from '../data/dataset.js';
import type { Network } from '../graph/network.js';
import { describe, invalid } from '../graph/options.js';
import type { Loss } from '../losses/loss.js';
import type { Device } from '../runtime/device.js';
import {
  topClasses,
  type Classification,
  type ClassifyOptions,
  type Prediction,
} from './classify.js';
import type { EvaluateOptions } from './evaluate.js';
import { copyOf, type Images } from './images.js';
import type { Inference } from './inference.js';
import type { Metrics } from './metrics.js';
import type { GradientOptions, Reading } from './reader.js';
import type { Targets } from './targets.js';

/**
 * What trainers and models both do: predict, measure and read, all in inference. Any number of images,
 * copied before a call returns; calls queue. `Options`: what a trainer's calls take besides.
 */
export abstract class DeviceNetwork<Options extends { averaged?: boolean }> {
  abstract readonly network: Network;
  abstract readonly device: Device;
  /** Names of the classes, where they are known. */
  abstract readonly classes: readonly string[] | undefined;

  /** Runs a task with the parameters that the options ask for. @throws StriateError `DISPOSED` */
  protected abstract use<T>(
    options: { averaged?: boolean },
    task: (inference: Inference) => Promise<T>,
  ): Promise<T>;

  /** The loss of the training. @throws StriateError `INVALID_ARGUMENT` where there is none to be had. */
  protected abstract lossFor(what: string): Loss;

  /**
   * The network's raw outputs `[n, ...]` for any number of images `[n, height, width, channels]`.
   * @throws StriateError `INVALID_ARGUMENT` for an array of the wrong type or length.
   */
  async predict(x: Images, options?: Options): Promise<Prediction> {
    const images = own(x, options);
    return this.use({ ...options }, (inference) => inference.predict(images));
  }

  /** Softmax over the outputs, the best classes first, for each image. */
  async classify(x: Images, options?: ClassifyOptions & Options): Promise<Classification[][]> {
    return topClasses(await this.predict(x, options), this.classes, options?.top ?? 1);
  }

  /**
   * Loss and accuracy over a whole set, by the loss of the training: running statistics, no dropout. With
   * `metrics` also what those give.
   * @throws StriateError `INVALID_ARGUMENT` where that loss is external, or cannot be had from a file.
   */
  async evaluate(set: Dataset, options?: EvaluateOptions & Options): Promise<Metrics> {
    return this.use({ ...options }, (inference) =>
      inference.evaluate(set, this.lossFor('evaluate'), { ...options }),
    );
  }

  /**
   * What layers give for these images, by name: `[n, ...]` each. Names are those of the summary; a layer
   * with parameters that is applied again gives `conv1:2`.
   * @throws StriateError `INVALID_ARGUMENT` for a name that no layer has, and as `predict`.
   */
  async activations(
    x: Images,
    layers: readonly string[],
    options?: Options,
  ): Promise<Map<string, Reading>> {
    const images = own(x, options);
    return this.use({ ...options }, (inference) => inference.activations(images, layers));
  }

  /**
   * The gradient of the loss, the mean over these images, by what layers give for them: by name, `[n, ...]`
   * each. With `of: 'score'` that of each image's class score, which needs no loss. Nothing is changed.
   * @param target what the loss compares with; with `of: 'score'` the classes, an Int32Array
   * @throws StriateError `INVALID_ARGUMENT` for a name that no layer has, for layers that the output does
   *   not depend on, and for a loss that cannot be had.
   */
  async gradients(
    x: Images,
    target: Targets,
    layers: readonly string[],
    options?: GradientOptions & Options,
  ): Promise<Map<string, Reading>> {
    const [images, targets] = [own(x, options), own(target, options)];
    return this.use({ ...options }, (inference) =>
      inference.gradients(images, targets, layers, this.#differentiated(options)),
    );
  }

  /**
   * The gradient by the images: by the numbers that were given, before the preprocessing. See `gradients`;
   * `of: 'score'` gives saliency maps.
   */
  async inputGradient(
    x: Images,
    target: Targets,
    options?: GradientOptions & Options,
  ): Promise<Reading> {
    const input = this.network.nodes[this.network.inputs[0]!]!.name;
    return (await this.gradients(x, target, [input], options)).get(input)!;
  }

  #differentiated({ of = 'loss' }: GradientOptions = {}): Loss | 'score' {
    if (of !== 'loss' && of !== 'score')
      throw invalid(`of is ${describe(of)}`, "Give 'loss' or 'score'.");
    return of === 'score' ? of : this.lossFor('a gradient of the loss');
  }
}

/** A copy where the call waits for the averages; the others copy by themselves. */
function own<Data extends Images | Targets>(x: Data, options?: { averaged?: boolean }): Data {
  return options?.averaged === true && ArrayBuffer.isView(x) ? copyOf(x) : x;
}
