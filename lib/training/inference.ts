import type { Dataset } from '../data/dataset.js';
import type { Network } from '../graph/network.js';
import type { Shape } from '../graph/shape.js';
import type { Loss } from '../losses/loss.js';
import { computeTypeOf } from '../program/precision.js';
import type { Prediction } from './classify.js';
import { checkFits, evaluateSet, needsOutputs, type EvaluateOptions } from './evaluate.js';
import type { Images } from './images.js';
import type { Lifetime } from './lifetime.js';
import type { Metrics } from './metrics.js';
import { Mutex } from './mutex.js';
import { Predictor } from './predictor.js';
import type { Programs, ProgramSettings } from './programs.js';
import { endsOf } from './ends.js';
import { Reader, type Reading } from './reader.js';
import { TargetRules, type Targets } from './targets.js';

/** What trainers and models do alike: predict, measure and read, with one set of parameters. */
export class Inference {
  readonly #input: Shape;
  readonly #output: Shape;
  readonly #predictor: Predictor;
  readonly #reader: Reader;
  readonly #evaluating = new Mutex();

  constructor(
    network: Network,
    private readonly programs: Programs,
    private readonly settings: ProgramSettings,
    private readonly lifetime: Lifetime,
  ) {
    const { input, output } = endsOf(network);
    this.#input = input;
    this.#output = output;
    this.#reader = new Reader(network, programs, settings);
    const dtype = computeTypeOf(settings.precision);
    this.#predictor = new Predictor(settings.batch, input, output, dtype, (type) =>
      programs.inference(settings, type),
    );
  }

  /** The network's raw outputs for any number of images, which are copied first. Calls queue. */
  async predict(x: Images): Promise<Prediction> {
    this.lifetime.checkOpen();
    return this.#predictor.predict(x);
  }

  /** Loss and accuracy over a whole set. Calls queue. */
  async evaluate(set: Dataset, loss: Loss, options: EvaluateOptions): Promise<Metrics> {
    this.lifetime.checkOpen();
    const rules = new TargetRules(loss, this.#output, computeTypeOf(this.settings.precision));
    checkFits(set, this.#input, rules);
    const logits = needsOutputs(options.metrics);
    return this.#evaluating.run(() => {
      this.lifetime.checkOpen();
      const executable = this.programs.evaluation(this.settings, loss, set.dtype, logits);
      return evaluateSet(executable, set, rules, options);
    });
  }

  /** See `Reader`. */
  async activations(x: Images, names: readonly string[]): Promise<Map<string, Reading>> {
    this.lifetime.checkOpen();
    return this.#reader.activations(x, names);
  }

  /** See `Reader`. */
  async gradients(
    x: Images,
    target: Targets,
    names: readonly string[],
    of: Loss | 'score',
  ): Promise<Map<string, Reading>> {
    this.lifetime.checkOpen();
    return this.#reader.gradients(x, target, names, of);
  }

  /** Resolves when no call is under way. */
  async idle(): Promise<void> {
    const evaluated = this.#evaluating.run(() => undefined);
    await Promise.all([this.#predictor.idle(), this.#reader.idle(), evaluated]);
  }
}
