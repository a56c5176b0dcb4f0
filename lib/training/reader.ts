import type { Network, NetworkNode } from '../graph/network.js';
import { invalid } from '../graph/options.js';
import { elementsOf, type Shape } from '../graph/shape.js';
import type { Loss } from '../losses/loss.js';
import { computeTypeOf } from '../program/precision.js';
import { defaultPreprocess, perChannel, type Preprocess } from '../program/preprocess.js';
import type { Executable } from '../runtime/executable.js';
import { endsOf } from './ends.js';
import { copyOf, countImages, imageType, type Images } from './images.js';
import { checkInfluence, nodesNamed } from './layer-names.js';
import { Mutex } from './mutex.js';
import type { Programs, ProgramSettings } from './programs.js';
import { TargetRules, type Targets } from './targets.js';

/** What a layer gave for n images, or the gradient by it: `[n, ...]`, float32, or float64 in float64. */
export interface Reading {
  data: Float32Array | Float64Array;
  shape: Shape;
}

export interface GradientOptions {
  /**
   * What is differentiated: the loss of all images (the mean over them, the default), or each image's
   * score, the raw output of its class, as saliency maps are made of (Simonyan et al., arXiv:1312.6034).
   */
  of?: 'loss' | 'score';
}

/** Gradients of float16 are multiplied by this at first, by less where they overflow. */
const largestScale = 2 ** 16;

/** Reads values within a network, and gradients by them, in inference. Calls queue. */
export class Reader {
  readonly #lock = new Mutex();
  readonly #input: Shape;
  readonly #output: Shape;

  constructor(
    private readonly network: Network,
    private readonly programs: Programs,
    private readonly settings: ProgramSettings,
  ) {
    const { input, output } = endsOf(network);
    this.#input = input;
    this.#output = output;
  }

  /** What the named layers give for any number of images, which are copied first. */
  async activations(images: Images, names: readonly string[]): Promise<Map<string, Reading>> {
    const nodes = nodesNamed(this.network, names);
    const n = countImages(images, this.#input);
    const x = copyOf(images);
    return this.#lock.run(async () => {
      const values = idsOf(nodes);
      const executable = this.programs.reading(this.settings, imageType(x), { values });
      const found = this.#empty(nodes, n);
      for (const part of this.#parts(n)) {
        executable.stage(0, { images: rowsOf(x, n, part) });
        await collect(executable, 'value', { nodes, found, part, n });
      }
      return found;
    });
  }

  /** The gradient of `of` by what the named layers give; all but their values is as it is in `activations`. */
  async gradients(
    images: Images,
    target: Targets,
    names: readonly string[],
    of: Loss | 'score',
  ): Promise<Map<string, Reading>> {
    const nodes = nodesNamed(this.network, names);
    checkInfluence(this.network, nodes);
    const n = countImages(images, this.#input);
    const { inputs, shareOf } =
      of === 'score' ? this.#scores(target, n) : this.#losses(of, target, n);
    const x = copyOf(images);
    return this.#lock.run(async () => {
      const executable = this.programs.reading(this.settings, imageType(x), {
        gradients: { of: of === 'score' ? 'external' : of, by: idsOf(nodes) },
      });
      const found = this.#empty(nodes, n);
      for (const part of this.#parts(n)) {
        executable.stage(0, { images: rowsOf(x, n, part), ...inputs(part) });
        await this.#collectScaled(executable, shareOf(part), { nodes, found, part, n });
      }
      const { preprocess = defaultPreprocess(imageType(x)) } = this.settings;
      for (const [name, { layer }] of nodes)
        if (layer === null) throughPreprocess(found.get(name)!, preprocess);
      return found;
    });
  }

  /** Resolves when no call is under way. */
  idle(): Promise<void> {
    return this.#lock.run(() => undefined);
  }

  /** Targets of a loss, and what each part counts in the mean over all. */
  #losses(loss: Loss, given: Targets, n: number): Differentiated {
    const rules = new TargetRules(loss, this.#output, computeTypeOf(this.settings.precision));
    const target = copyOf(rules.check(given, n));
    const { divisor } = rules;
    if (n > this.settings.batch && divisor === undefined)
      throw invalid(
        'the losses of parts do not make up that of all images',
        `Give at most ${this.settings.batch} images, or use a loss that is one mean or one sum.`,
      );
    const shareOf = (part: Part): number =>
      divisor!(rowsOf(target, n, part), part.end - part.begin) / divisor!(target, n);
    return {
      inputs: (part) => ({ target: rowsOf(target, n, part) }),
      shareOf: n > this.settings.batch ? shareOf : () => 1,
    };
  }

  /** One at each image's class, zero elsewhere. */
  #scores(labels: Targets, n: number): Differentiated {
    const classes = elementsOf(this.#output);
    if (!(labels instanceof Int32Array) || labels.length !== n)
      throw invalid('the classes are no Int32Array of one number an image', 'Give the classes.');
    const wrong = labels.find((label) => label < 0 || label >= classes);
    if (wrong !== undefined)
      throw invalid(`there is no class ${wrong}`, `Give classes from 0 to ${classes - 1}.`);
    const dy = this.#floats(n * classes);
    labels.forEach((label, image) => (dy[image * classes + label] = 1));
    return { inputs: (part) => ({ dy: rowsOf(dy, n, part) }), shareOf: () => 1 };
  }

  async #collectScaled(executable: Executable, share: number, into: Collected): Promise<void> {
    let scale = this.settings.precision === 'float16' ? largestScale : 1;
    for (; ; scale /= 16) {
      const finite = await collect(executable, 'gradient', into, scale * share);
      if (finite || scale === 1) break;
    }
    if (scale === 1) return;
    for (const { data } of into.found.values()) {
      const rows = rowsOf(data, into.n, into.part);
      for (let i = 0; i < rows.length; i++) rows[i]! /= scale;
    }
  }

  *#parts(n: number): Generator<Part> {
    const { batch } = this.settings;
    for (let begin = 0; begin < n; begin += batch) yield { begin, end: Math.min(n, begin + batch) };
  }

  #empty(nodes: ReadonlyMap<string, NetworkNode>, n: number): Map<string, Reading> {
    return new Map(
      [...nodes].map(([name, { shape }]) => [
        name,
        { data: this.#floats(n * elementsOf(shape)), shape: [n, ...shape] },
      ]),
    );
  }

  #floats(length: number): Float32Array | Float64Array {
    return computeTypeOf(this.settings.precision) === 'float64'
      ? new Float64Array(length)
      : new Float32Array(length);
  }
}

/** Images that pass together. */
interface Part {
  begin: number;
  end: number;
}

interface Differentiated {
  inputs: (part: Part) => Record<string, Targets>;
  /** What the part's mean counts in that of all. */
  shareOf: (part: Part) => number;
}

interface Collected {
  nodes: ReadonlyMap<string, NetworkNode>;
  found: ReadonlyMap<string, Reading>;
  part: Part;
  n: number;
}

/** Runs a part and copies what it gives; false where that is not all finite. */
async function collect(
  executable: Executable,
  what: 'value' | 'gradient',
  { nodes, found, part, n }: Collected,
  lossScale = 1,
): Promise<boolean> {
  const names = new Map([...nodes].map(([name, { id }]) => [name, `${what}${id}`]));
  const { outputs } = await executable.run({
    ...{ n: part.end - part.begin, slot: 0, control: { lossScale } },
    outputs: [...new Set(names.values())],
  });
  let finite = true;
  for (const [name, port] of names) {
    const rows = outputs[port] as Float32Array;
    rowsOf(found.get(name)!.data, n, part).set(rows);
    finite &&= rows.every(Number.isFinite);
  }
  return finite;
}

/** The part's range of an array that holds the same for each of n images. */
function rowsOf<A extends Images | Targets>(values: A, n: number, { begin, end }: Part): A {
  const each = values.length / n;
  return values.subarray(begin * each, end * each) as A;
}

function idsOf(nodes: ReadonlyMap<string, NetworkNode>): number[] {
  return [...new Set([...nodes.values()].map(({ id }) => id))].sort((a, b) => a - b);
}

/** From the gradient by `(x scale - mean) / std` to that by x. */
function throughPreprocess({ data, shape }: Reading, { scale = 1, std }: Preprocess): void {
  const channels = shape.at(-1)!;
  const deviations = perChannel('std', std, channels);
  if (scale === 1 && deviations === undefined) return;
  for (let i = 0; i < data.length; i++) data[i]! *= scale / (deviations?.[i % channels] ?? 1);
}
