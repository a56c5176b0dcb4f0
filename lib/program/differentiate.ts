import { StriateError } from '../errors.js';
import type { Builder } from './builder.js';
import { copy, fill } from './copy.js';
import { scaleByLossScale } from './loss-scale.js';
import type { GradientScope, OpDefinition, Target } from './op.js';
import { concatMark, type Step } from './tape.js';
import type { Storage, Tensor } from './tensor.js';
import { channelRange, overlaps, reshapeView, rowOf } from './views.js';

/** Where the backward pass starts. `weight`, default 1: what a loss counts in the sum of all. */
export type Seed =
  /** A number: its gradient is the weight. */
  | { form: 'scalar'; tensor: Tensor; weight?: number }
  /** The statistics of a loss whose op knows its own gradient. */
  | { form: 'statistics'; tensor: Tensor; weight?: number }
  /** The gradient by the output comes from the caller. */
  | { form: 'external'; tensor: Tensor; gradient: Tensor };

/**
 * Reverse mode over the tape. Appends the backward steps and returns those values with a home that the
 * seeds depend on, in the order in which their gradients are finished.
 *
 * Gradients belong to values (`rootOf`), so a reshape costs nothing. The first contribution to a
 * gradient overwrites, later ones accumulate. Where the gradient of an input *is* that of the output
 * (addition, a range of a concatenation), both share the memory until one of them is written.
 */
export function differentiate(
  builder: Builder,
  seeds: readonly Seed[],
  /** Where the gradients that are asked for go: by parameter, or by a value's root. */
  homes: ReadonlyMap<Tensor, Tensor>,
): Tensor[] {
  const forward = [...builder.steps];
  const needed = whoNeedsGradients(builder, forward, homes);
  const active = seeds.filter((seed) => needed.has(builder.rootOf(seed.tensor)));
  if (active.length === 0)
    throw new StriateError('INVALID_ARGUMENT', 'the loss depends on no trainable parameter', {
      remedy: 'freeze fewer parameters, or add a layer that has some',
    });
  const gradients = new Gradients(builder, needed, homes);
  /** Of the losses whose ops know their own gradient. */
  const weights = new Map<Tensor, number>();
  for (const seed of active) {
    if (seed.form === 'statistics') weights.set(builder.rootOf(seed.tensor), seed.weight ?? 1);
    else gradients.seed(seed);
  }
  for (const step of forward.toReversed()) {
    const outputs = outputRoots(builder, step);
    const own = outputs.find((root) => weights.has(root));
    if (own === undefined && !outputs.some((root) => gradients.has(root))) continue;
    if (!inputRoots(builder, step).some((root) => needed.has(root))) continue;
    const weight = own === undefined ? 1 : weights.get(own)!;
    backwardOf(step)(new StepGradients(builder, gradients, step, weight));
    for (const root of outputs) gradients.release(root);
  }
  return gradients.finished();
}

function inputRoots(builder: Builder, step: Step): Tensor[] {
  return [...step.operands.values()]
    .filter((o) => o.access === 'read')
    .map((o) => builder.rootOf(o.tensor));
}

function outputRoots(builder: Builder, step: Step): Tensor[] {
  return [...step.operands.values()]
    .filter((o) => o.access !== 'read')
    .map((o) => builder.rootOf(o.tensor));
}

/** What has a home for its gradient, and everything computed from one. */
function whoNeedsGradients(
  builder: Builder,
  forward: readonly Step[],
  homes: ReadonlyMap<Tensor, Tensor>,
): ReadonlySet<Tensor> {
  const needed = new Set(homes.keys());
  for (const step of forward)
    if (inputRoots(builder, step).some((root) => needed.has(root)))
      for (const root of outputRoots(builder, step)) needed.add(root);
  return needed;
}

function backwardOf(step: Step): (g: StepGradients) => void {
  if (step.op === concatMark) return concatBackward;
  const { op } = step;
  if (op.backward === undefined)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `${step.layer}: op ${step.op.name} has no gradient`,
      {
        remedy: 'train no parameter before it, or leave the op out of the loss',
      },
    );
  return (g) => {
    op.backward?.(g);
  };
}

/** Each input's gradient is its range of channels. */
function concatBackward(g: StepGradients): void {
  const dy = g.gradientOf('y');
  if (dy === undefined) return;
  let begin = 0;
  for (const [name, { tensor }] of g.step.operands) {
    if (name === 'y') continue;
    g.pass(name, channelRange(dy, begin, rowOf(tensor)));
    begin += rowOf(tensor);
  }
}

/** The gradients that are under way, by value. */
class Gradients {
  /** What has been contributed so far; an entry stays until the step that made the value is done. */
  readonly #pending = new Map<Tensor, Tensor>();
  /** Trainable parameters by the step that contributed last. */
  readonly #finishedAt = new Map<Tensor, number>();
  /** Made here: anything else that is passed on (the caller's gradient) is never written. */
  readonly #writable = new Set<Storage>();

  constructor(
    readonly builder: Builder,
    readonly needed: ReadonlySet<Tensor>,
    readonly homes: ReadonlyMap<Tensor, Tensor>,
  ) {}

  seed(seed: Exclude<Seed, { form: 'statistics' }>): void {
    const root = this.builder.rootOf(seed.tensor);
    if (seed.form === 'external') {
      const gradient = this.#external(root, reshapeView(seed.gradient, root.shape)!);
      if (this.homes.has(root)) this.pass(root, gradient, 'loss');
      else this.#pending.set(root, gradient);
      return;
    }
    const one = this.#fresh(root);
    const place = { layer: 'loss', phase: 'backward' } as const;
    if (this.builder.scaled)
      this.builder.emit(scaleByLossScale, { reserved: 0 }, { y: one }, place);
    else this.builder.emit(fill, { alpha: 0, beta: 1 }, { y: one }, place);
    this.#pending.set(root, this.weighted(one, seed.weight ?? 1, 'loss'));
  }

  /** `weight` times a gradient, in memory of its own. */
  weighted(gradient: Tensor, weight: number, layer: string): Tensor {
    if (weight === 1) return gradient;
    const { shape, batched } = gradient;
    const y = this.temporary(shape, { batched, name: `${layer}.weighted` });
    this.addWeighted(gradient, { tensor: y, access: 'overwrite' }, weight, layer);
    return y;
  }

  /** Attributes are float32: of a weight in float64 the digits beyond are added. */
  addWeighted(x: Tensor, { tensor, access }: Target, weight: number, layer: string): void {
    const alpha = Math.fround(weight);
    this.#copy(x, tensor, access, layer, alpha);
    const rest = Math.fround(weight - alpha);
    if (this.builder.dtype === 'float64' && rest !== 0)
      this.#copy(x, tensor, 'accumulate', layer, rest);
  }

  /** The caller's gradient, scaled as those of a loss are, in the type of the output. */
  #external(root: Tensor, given: Tensor): Tensor {
    let gradient = given;
    if (this.builder.scaled) {
      const { shape, batched, dtype } = given;
      gradient = this.builder.tensor(shape, batched, {
        ...{ name: 'dy.scaled', dtype, category: 'activationGradients' },
      });
      const operands = { x: given, y: gradient };
      this.builder.emit(scaleByLossScale, { reserved: 0 }, operands, {
        ...{ layer: 'loss', phase: 'backward' },
      });
    }
    if (gradient.dtype === root.storage.dtype) return gradient;
    const own = this.#fresh(root);
    this.#copy(gradient, own, 'overwrite', 'loss');
    return own;
  }

  has(root: Tensor): boolean {
    return this.#pending.has(root);
  }

  release(root: Tensor): void {
    this.#pending.delete(root);
  }

  finished(): Tensor[] {
    return [...this.#finishedAt].sort((a, b) => a[1] - b[1]).map(([root]) => root);
  }

  /** The gradient so far, in the shape of `like`, a view of `root`. */
  read(root: Tensor, like: Tensor, layer: string): Tensor | undefined {
    const held = this.#pending.get(root);
    if (held === undefined) return undefined;
    return reshapeView(held, like.shape) ?? this.#own(root, layer, like);
  }

  /** Memory to contribute to, in the shape of `like`. */
  target(root: Tensor, like: Tensor, layer: string): Target {
    this.#note(root);
    const held = this.#pending.get(root);
    if (held === undefined) {
      const kept = this.homes.get(root);
      const home = kept ?? this.#fresh(root);
      this.#pending.set(root, home);
      const access = kept && this.builder.accumulates ? 'accumulate' : 'overwrite';
      return { tensor: reshapeView(home, like.shape)!, access };
    }
    const view = this.#isExclusive(root, held) ? reshapeView(held, like.shape) : undefined;
    return { tensor: view ?? this.#own(root, layer, like), access: 'accumulate' };
  }

  /** The gradient by `root` is `gradient`, as far as this step goes. */
  pass(root: Tensor, gradient: Tensor, layer: string): void {
    const sameType = gradient.storage.dtype === root.storage.dtype;
    const shared =
      sameType && !this.homes.has(root) ? reshapeView(gradient, root.shape) : undefined;
    if (!this.#pending.has(root) && shared !== undefined) {
      this.#pending.set(root, shared);
      return;
    }
    const { tensor, access } = this.target(root, gradient, layer);
    this.#copy(gradient, tensor, access, layer);
  }

  #copy(x: Tensor, y: Tensor, access: Target['access'], layer: string, alpha = 1): void {
    this.builder.emit(
      copy,
      { alpha, beta: 0 },
      { x, y: { tensor: y, access } },
      { layer, phase: 'backward' },
    );
  }

  /** Copies a shared or gapped gradient to dense memory that nobody else reads. */
  #own(root: Tensor, layer: string, like: Tensor): Tensor {
    const held = this.#pending.get(root)!;
    const own = this.#fresh(root);
    this.#copy(held, own, 'overwrite', layer);
    this.#pending.set(root, own);
    return reshapeView(own, like.shape)!;
  }

  /** Whether no other gradient that is still to be read lies in the same memory. */
  #isExclusive(root: Tensor, held: Tensor): boolean {
    const isHome = this.homes.get(root)?.storage === held.storage;
    if (!isHome && !this.#writable.has(held.storage)) return false;
    for (const [other, tensor] of this.#pending)
      if (other !== root && overlaps(tensor, held)) return false;
    return true;
  }

  #fresh(root: Tensor): Tensor {
    const made = this.builder.tensor(root.shape, root.batched, {
      name: `${root.storage.name}.gradient`,
      dtype: root.storage.dtype,
      category: 'activationGradients',
    });
    this.#writable.add(made.storage);
    return made;
  }

  temporary(
    shape: readonly number[],
    options: { batched: boolean; name: string; category?: 'workspace' | 'activationGradients' },
  ): Tensor {
    const { batched, name, category = 'activationGradients' } = options;
    const t = this.builder.openTensor(shape, batched, { name, category });
    this.#writable.add(t.storage);
    return t;
  }

  #note(root: Tensor): void {
    if (this.homes.has(root)) this.#finishedAt.set(root, this.builder.steps.length);
  }
}

/** What one op's `backward` sees. */
class StepGradients implements GradientScope {
  constructor(
    readonly builder: Builder,
    readonly gradients: Gradients,
    readonly step: Step,
    /** Of a loss that knows its own gradient: what that is multiplied by. */
    readonly weight = 1,
  ) {}

  get attributes() {
    return this.step.attributes;
  }

  get layer(): string {
    return this.step.layer;
  }

  operand(name: string): Tensor {
    const operand = this.optionalOperand(name);
    if (operand === undefined)
      throw new StriateError(
        'INVALID_ARGUMENT',
        `${this.layer}: the gradient of ${this.step.op.name} needs operand ${name}, which was left out`,
        { remedy: 'give the operand in the forward pass of the layer' },
      );
    return operand;
  }

  optionalOperand(name: string): Tensor | undefined {
    return this.step.operands.get(name)?.tensor;
  }

  gradientOf(output: string): Tensor | undefined {
    const y = this.optionalOperand(output);
    return y && this.gradients.read(this.builder.rootOf(y), y, this.layer);
  }

  wants(input: string): boolean {
    const x = this.optionalOperand(input);
    return x !== undefined && this.gradients.needed.has(this.builder.rootOf(x));
  }

  contribute(
    inputs: readonly string[],
    emit: (gradients: Record<string, Target | undefined>) => void,
  ): void {
    const targets: Record<string, Target | undefined> = {};
    const seen = new Set<Tensor>();
    // The same value twice in one instruction: the second one writes apart and is added after it.
    const apart: { name: string; tensor: Tensor }[] = [];
    for (const name of inputs) {
      if (!this.wants(name)) continue;
      const x = this.operand(name);
      const root = this.builder.rootOf(x);
      if (seen.has(root)) {
        const tensor = this.temporary(x.shape, { batched: x.batched, name: `${name}.gradient` });
        apart.push({ name, tensor });
        targets[name] = { tensor, access: 'overwrite' };
      } else {
        seen.add(root);
        targets[name] = this.gradients.target(root, x, this.layer);
      }
    }
    if (seen.size === 0) return;
    if (this.weight === 1) emit(targets);
    else this.#emitWeighted(targets, emit);
    for (const { name, tensor } of apart)
      this.gradients.pass(this.builder.rootOf(this.operand(name)), tensor, this.layer);
  }

  #emitWeighted(
    targets: Record<string, Target | undefined>,
    emit: (gradients: Record<string, Target | undefined>) => void,
  ): void {
    const whole: Record<string, Target> = {};
    for (const name of Object.keys(targets)) {
      const { shape, batched } = this.operand(name);
      const tensor = this.temporary(shape, { batched, name: `${name}.gradient` });
      whole[name] = { tensor, access: 'overwrite' };
    }
    emit(whole);
    for (const [name, target] of Object.entries(targets))
      this.gradients.addWeighted(whole[name]!.tensor, target!, this.weight, this.layer);
  }

  pass(input: string, gradient: Tensor): void {
    if (!this.wants(input)) return;
    const x = this.operand(input);
    const weighted = this.gradients.weighted(gradient, this.weight, this.layer);
    this.gradients.pass(this.builder.rootOf(x), weighted, this.layer);
  }

  emit(
    op: OpDefinition,
    attributes: Step['attributes'],
    operands: Record<string, Tensor | Target | undefined>,
  ): void {
    this.builder.emit(op, attributes, operands, { layer: this.layer, phase: 'backward' });
  }

  temporary(
    shape: readonly number[],
    options: { batched: boolean; name: string; category?: 'workspace' | 'activationGradients' },
  ): Tensor {
    return this.gradients.temporary(shape, { ...options, name: `${this.layer}.${options.name}` });
  }
}
