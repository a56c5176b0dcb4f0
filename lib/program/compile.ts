import { StriateError } from '../errors.js';
import type { Loss } from '../losses/loss.js';
import { averageSlot, movingAverage, type AverageOptions } from '../optimizers/average.js';
import { clipNorm } from '../optimizers/clip.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { assemble } from './assemble.js';
import { Builder } from './builder.js';
import { checkFinite } from './check-finite.js';
import { copy } from './copy.js';
import { differentiate, type Seed } from './differentiate.js';
import { fuseConvRelu, placeConcats, runInPlace } from './fuse.js';
import { lower, type InputDType, type LoweredNetwork, type NetworkDescription } from './lower.js';
import { requirePrecision, requireRuns, type Precision } from './precision.js';
import { defaultPreprocess, type Preprocess } from './preprocess.js';
import { bytesOf, type Program } from './program.js';
import { prune } from './prune.js';
import { rebuild, type Decision } from './recompute.js';
import { withinBudget } from './recompute-budget.js';
import { checkRecompute, choiceFor, isBudget, type Recompute } from './recompute-options.js';
import { rectifyLast } from './rectify-last.js';
import type { TargetDevice } from './op.js';
import { checkLayout, layOut, segmentTable, type Layout, type SlabEntry } from './slabs.js';
import { makeStep, Uses, type Step } from './tape.js';
import type { Storage, Tensor } from './tensor.js';
import { assertSound } from './verify.js';
import { denseView } from './views.js';

export interface CompileOptions {
  /** The largest batch that a run of the program takes. */
  batch: number;
  /** Default `'float32'`. */
  precision?: Precision;
  /** The type in which images arrive. Default: the type of the parameters. */
  inputDtype?: InputDType;
  /** The kind of device that the program is for: it decides how much workspace ops get. Default `'cpu'`. */
  device?: TargetDevice;
  /** What is done to the images first. Default: bytes are divided by 255, others left alone. */
  preprocess?: Preprocess;
  /** For tests: every buffer gets memory of its own, nothing is reused or computed in place. */
  isolate?: boolean;
}

export interface TrainingOptions extends CompileOptions {
  /** `'external'`: the gradient by the output comes from the caller, through the input `dy`. */
  loss: Loss | 'external';
  optimizer: Optimizer;
  /** Parameters and running statistics whose full name matches stay as they are. */
  freeze?: readonly RegExp[];
  /** Keep a moving average of the parameters, in the slot `movingAverage`. */
  average?: AverageOptions;
  /**
   * Add to the gradients that are there: a step takes several runs of the ranges forward and backward,
   * over zeroed gradients, and one of the range update. Each of the former changes the running statistics;
   * whether the losses were finite is for the caller to see.
   */
  accumulate?: boolean;
  /** Also give the network's output, as the output `logits`. Default false. */
  logits?: boolean;
  /** What the backward pass makes again rather than finds kept; default `'light'`. */
  recompute?: Recompute;
}

export interface EvaluationOptions extends CompileOptions {
  loss: Loss;
  /** Also give the network's output, as the output `logits`. Default false. */
  logits?: boolean;
  /** A program of the same network whose parameters this one uses, usually the training program. */
  layout?: Layout;
}

export interface InferenceOptions extends CompileOptions {
  layout?: Layout;
}

/**
 * The program of one training step: forward, loss, backward, the check that everything is finite, the
 * optimizer, and the changes of running statistics.
 *
 * Inputs are `images` and `target` (with `loss: 'external'`: `images` and `dy`), the output is
 * `statistics` (lossSum, count, top1, top5) or `loss` (a number), by the form of the loss; `output`
 * with `loss: 'external'`. Auxiliary outputs of the network take the same target; their losses are outputs
 * from `statistics2` or `loss2` on.
 *
 * @throws StriateError `INVALID_ARGUMENT` for a batch that is not a positive whole number, a network
 *   with several outputs, nothing to train, or a misfit of target and loss.
 */
export function compileTraining(network: NetworkDescription, options: TrainingOptions): Program {
  const { recompute = 'light' } = options;
  const layers = network.nodes.map(({ name }) => name);
  checkRecompute(recompute, layers);
  if (isBudget(recompute))
    return withinBudget(recompute.budget, options.batch, (decision) =>
      compileChosen(network, options, decision),
    );
  return compileChosen(network, options, { choose: (chooser) => choiceFor(recompute, chooser) });
}

function compileChosen(
  network: NetworkDescription,
  options: TrainingOptions,
  decision: Decision,
): Program {
  const builder = newBuilder(options);
  if (typeof (options.optimizer as Partial<Optimizer> | undefined)?.emit !== 'function')
    throw new StriateError('INVALID_ARGUMENT', 'the optimizer is missing, or is not one', {
      remedy: 'give sgd({ learningRate: 0.01, momentum: 0.9 }), for example',
    });
  const { outputs, auxiliary } = lowered(builder, network, options, 'train');
  const output = oneOutput(outputs);
  const isFrozen = (name: string): boolean =>
    (options.freeze ?? []).some((pattern) => name.search(pattern) >= 0) ||
    options.optimizer.settingsOf(name).frozen;
  const { loss } = options;
  const heads = [{ output, weight: 1 }, ...auxiliary];
  const seeds =
    loss === 'external' ? externalSeeds(builder, heads) : lossSeeds(builder, loss, heads, 'train');

  if (options.logits === true) builder.output('logits', output);
  if (options.recompute !== 'none') rectifyLast(builder, builder.outputs);
  builder.accumulates = options.accumulate === true;
  builder.scalesLoss = builder.accumulates;
  const homes = gradientHomes(builder, isFrozen);
  const finished = differentiate(builder, seeds, homes);
  const names = new Map([...builder.parameters].map(([name, t]) => [t, name]));
  const trained = new Set(finished.map((t) => names.get(t)!));
  const entries = slabEntries(builder, (name) => trained.has(name));
  const position = new Map([...trained].map((name, i) => [name, i]));
  entries.sort(
    (a, b) => (position.get(a.name) ?? Infinity) - (position.get(b.name) ?? Infinity) || 0,
  );
  const layout = layOut(entries, builder.dtype);

  const { average } = options;
  const slots = [...options.optimizer.slots, ...(average ? [averageSlot] : [])];
  const slabs = new Slabs(builder, layout);
  const commits = builder.commits.filter((step) => !writesFrozen(step, builder, isFrozen));
  if (builder.accumulates) {
    // The arena is not that of the last pass when the update runs: it reads slabs alone.
    builder.steps.push(...commits.map((step) => ({ ...step, phase: 'backward' as const })));
    if (commits.length > 0) checkState(builder, slabs);
  } else checkCommits(builder, commits);
  const losses =
    loss === 'external' || builder.accumulates ? [] : seeds.map(({ tensor }) => tensor);
  emitUpdate(builder, slabs, options.optimizer, layout, losses);
  if (average !== undefined) emitAverage(builder, slabs, average);
  if (!builder.accumulates) builder.steps.push(...commits);
  return finish(builder, options, {
    kind: loss === 'external' ? 'external' : 'train',
    layout,
    slots,
    slabs,
    homes,
    decision,
  });
}

/**
 * The program that measures a network: inference and the loss. Inputs are `images` and `target`,
 * outputs `statistics` or `loss`, and `logits` on request.
 *
 * @throws StriateError as `compileTraining`.
 */
export function compileEvaluation(
  network: NetworkDescription,
  options: EvaluationOptions,
): Program {
  const builder = newBuilder(options);
  const output = oneOutput(lowered(builder, network, options, 'infer').outputs);
  lossSeeds(builder, options.loss, [{ output, weight: 1 }], 'infer');
  if (options.logits === true) builder.output('logits', output);
  return finishShared(builder, options, 'evaluate');
}

/**
 * The program that runs a network forward. Input `images`, output `output`; further inputs and
 * outputs are numbered from 2 (`images2`, `output2`).
 *
 * @throws StriateError as `compileTraining`.
 */
export function compileInference(network: NetworkDescription, options: InferenceOptions): Program {
  const builder = newBuilder(options);
  lowered(builder, network, options, 'infer').outputs.forEach((t, i) => {
    builder.output(i === 0 ? 'output' : `output${i + 1}`, t);
  });
  return finishShared(builder, options, 'infer');
}

export function newBuilder(options: CompileOptions): Builder {
  const { batch, precision = 'float32', inputDtype = 'float32', device = 'cpu' } = options;
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new StriateError('INVALID_ARGUMENT', `the batch is ${batch}`, {
      remedy: 'give a whole number of images from 1',
    });
  requirePrecision(precision);
  requireOneOf('inputDtype', inputDtype, ['uint8', 'float32', 'float64']);
  requireOneOf('device', device, ['cpu', 'cuda']);
  requireRuns(precision, device);
  return new Builder(batch, precision, device);
}

function requireOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw new StriateError('INVALID_ARGUMENT', `${name} is ${JSON.stringify(value)}`, {
    remedy: `give one of ${allowed.join(', ')}`,
  });
}

export function lowered(
  builder: Builder,
  network: NetworkDescription,
  options: CompileOptions,
  mode: 'train' | 'infer',
  differentiated = mode === 'train',
): LoweredNetwork {
  const inputDtype = options.inputDtype ?? builder.dtype;
  const preprocess = options.preprocess ?? defaultPreprocess(inputDtype);
  return lower(builder, network, { mode, differentiated, inputDtype, preprocess });
}

export function oneOutput(outputs: readonly Tensor[]): Tensor {
  const [output] = outputs;
  if (output === undefined || outputs.length > 1)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the network has ${outputs.length} outputs, a loss takes one`,
      {
        remedy: 'build the network with the output that is to be trained',
      },
    );
  return output;
}

/** An output that is trained, and what its loss counts. */
type Head = LoweredNetwork['auxiliary'][number];

/** The loss of every head, against one target. */
export function lossSeeds(
  builder: Builder,
  loss: Loss,
  heads: readonly Head[],
  mode: 'train' | 'infer',
): Seed[] {
  if (typeof (loss as Partial<Loss> | undefined)?.forward !== 'function')
    throw new StriateError('INVALID_ARGUMENT', 'the loss is missing, or is not one', {
      remedy:
        "give softmaxCrossEntropy(), customLoss((y, target) => ...), or 'external' for training",
    });
  const { shape, dtype } = loss.target(heads[0]!.output.shape);
  const target = builder.input('target', shape, dtype === 'int32' ? 'int32' : builder.dtype);
  return heads.map(({ output, weight }, i) => {
    const number = i === 0 ? '' : String(i + 1);
    const context = { layer: `loss${number}`, mode, fit: 'exact', outputShape: [] } as const;
    const scope = builder.forwardScope(context, builder.dtype);
    const { loss: tensor, form } = loss.forward(scope, output, target);
    builder.output(`${form === 'statistics' ? 'statistics' : 'loss'}${number}`, tensor);
    return { form, tensor, weight };
  });
}

export function externalSeeds(builder: Builder, heads: readonly Head[]): Seed[] {
  const { output } = heads[0]!;
  if (heads.length > 1)
    throw new StriateError(
      'INVALID_ARGUMENT',
      'an external loss has the gradient by the output alone, the network has auxiliary outputs',
      { remedy: 'train network.withoutAuxiliary(), or give a loss' },
    );
  builder.output('output', output);
  const gradient = builder.input('dy', output.shape, builder.dtype);
  return [{ form: 'external', tensor: output, gradient }];
}

/** Memory for the gradient of every parameter that may learn. */
function gradientHomes(builder: Builder, isFrozen: (name: string) => boolean): Map<Tensor, Tensor> {
  const homes = new Map<Tensor, Tensor>();
  for (const [name, t] of builder.parameters) {
    if (t.storage.region !== 'parameters' || isFrozen(name)) continue;
    const options = { dtype: t.dtype, category: 'gradients', region: 'gradients' } as const;
    homes.set(t, builder.tensor(t.shape, false, { name: `${name}.gradient`, ...options }));
  }
  return homes;
}

function slabEntries(builder: Builder, isTrained: (name: string) => boolean): SlabEntry[] {
  return [...builder.parameters].map(([name, t]) => ({
    name,
    shape: t.shape,
    region: t.storage.region === 'state' ? 'state' : 'parameters',
    trainable: isTrained(name),
  }));
}

function writesFrozen(step: Step, builder: Builder, isFrozen: (name: string) => boolean): boolean {
  const written = new Set<Storage>();
  for (const { tensor, access } of step.operands.values())
    if (access !== 'read') written.add(tensor.storage);
  return [...builder.parameters].some(([name, t]) => written.has(t.storage) && isFrozen(name));
}

/**
 * What the commits at the end of the step will keep must be finite too: a batch's variance can overflow
 * where its loss and gradients do not.
 */
function checkCommits(builder: Builder, commits: readonly Step[]): void {
  for (const { layer, operands } of commits) {
    const kept = [...operands.values()].filter(({ access }) => access === 'read');
    // The op takes two tensors.
    for (let i = 0; i < kept.length; i += 2) {
      const [gradients, loss] = kept.slice(i, i + 2).map(({ tensor }) => tensor);
      builder.emit(checkFinite, { reserved: 0 }, { gradients, loss }, { layer, phase: 'update' });
    }
  }
}

/** The running statistics that several passes have moved must be finite. */
function checkState(builder: Builder, slabs: Slabs): void {
  const storage = slabs.storage('state');
  const gradients = denseView(storage, [storage.fixed], false);
  const place = { layer: 'state', phase: 'update' } as const;
  builder.emit(checkFinite, { reserved: 0 }, { gradients, loss: undefined }, place);
}

/** The slabs as storages: what instructions over whole ranges work on. */
class Slabs {
  readonly #made = new Map<string, Storage>();
  constructor(
    readonly builder: Builder,
    readonly layout: Layout,
  ) {}

  storage(region: 'parameters' | 'state' | 'gradients' | 'optimizer', slot?: string): Storage {
    const name = slot === undefined ? region : `${region}/${slot}`;
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const { dtype } = this.builder;
    const bytes = this.layout.bytes[region === 'optimizer' ? 'gradients' : region];
    const storage = this.builder.storage({
      name,
      dtype,
      category: region,
      region,
      fixed: bytes / bytesOf[dtype],
    });
    this.#made.set(name, storage);
    return storage;
  }

  /** The part that is trained, as a vector. */
  trained(region: 'parameters' | 'gradients' | 'optimizer', slot?: string): Tensor {
    const elements = this.layout.bytes.gradients / bytesOf[this.builder.dtype];
    return denseView(this.storage(region, slot), [elements], false);
  }
}

function emitUpdate(
  builder: Builder,
  slabs: Slabs,
  optimizer: Optimizer,
  layout: Layout,
  losses: readonly Tensor[],
): void {
  const place = { layer: 'optimizer', phase: 'update' as const };
  const gradients = slabs.trained('gradients');
  const [loss, ...auxiliary] = losses;
  builder.emit(checkFinite, { reserved: 0 }, { gradients, loss }, place);
  for (const tensor of auxiliary)
    builder.emit(checkFinite, { reserved: 0 }, { gradients: tensor, loss: undefined }, place);
  const { rows, bytes } = segmentTable(layout, (name) => optimizer.settingsOf(name));
  const segments = builder.constant('segments', 'int32', [rows, 4], bytes);
  const trusted = (): Tensor => {
    const names = layout.parameters.filter((p) => p.trainable).map((p) => p.name);
    const flags = Int32Array.from(names, (name) => (optimizer.settingsOf(name).trustRatio ? 1 : 0));
    return builder.constant('trusted', 'int32', [rows], new Uint8Array(flags.buffer));
  };
  optimizer.emit({
    gradients,
    segments,
    clip: clipOf(builder, optimizer, gradients, place),
    trusted,
    parameters: slabs.trained('parameters'),
    slot: (name) => slabs.trained('optimizer', name),
    emit: (op, attributes, operands) => {
      builder.emit(op, attributes, operands, place);
    },
  });
}

function emitAverage(builder: Builder, slabs: Slabs, { decay }: AverageOptions): void {
  const averages = slabs.trained('optimizer', averageSlot);
  builder.emit(
    movingAverage,
    { decay },
    {
      parameters: slabs.trained('parameters'),
      averages: { tensor: averages, access: 'accumulate' },
    },
    { layer: 'average', phase: 'update' },
  );
}

/** The bounds that the optimizer reads its gradients with: known beforehand, or measured. */
function clipOf(
  builder: Builder,
  { clip }: Optimizer,
  gradients: Tensor,
  place: { layer: string; phase: 'update' },
): Tensor | undefined {
  if (clip === undefined) return undefined;
  const { dtype } = builder;
  if ('value' in clip) {
    const values =
      dtype === 'float64' ? Float64Array.of(1, clip.value) : Float32Array.of(1, clip.value);
    return builder.constant('clip', dtype, [2], new Uint8Array(values.buffer));
  }
  const bounds = builder.tensor([2], false, { name: 'clip', dtype, category: 'workspace' });
  builder.emit(clipNorm, { most: clip.norm }, { gradients, clip: bounds }, place);
  return bounds;
}

export function finishShared(
  builder: Builder,
  options: CompileOptions & { layout?: Layout },
  kind: 'evaluate' | 'infer',
): Program {
  const entries = slabEntries(builder, () => false);
  if (options.layout !== undefined) checkLayout(options.layout, entries, builder.dtype);
  const layout = options.layout ?? layOut(entries, builder.dtype);
  const slabs = new Slabs(builder, layout);
  return finish(builder, options, { kind, layout, slots: [], slabs, homes: new Map() });
}

function finish(
  builder: Builder,
  options: CompileOptions,
  made: {
    kind: Program['kind'];
    layout: Layout;
    slots: readonly string[];
    slabs: Slabs;
    homes: ReadonlyMap<Tensor, Tensor>;
    /** Of a program with a backward pass. */
    decision?: Decision;
  },
): Program {
  const isolate = options.isolate === true;
  const kept = builder.outputs;
  let steps = prune(builder.steps, kept);
  steps = copyWeights(builder, steps, made.slabs);
  moveIntoSlabs(builder, steps, made.slabs, made.homes);
  steps = fuseConvRelu(steps, kept);
  if (made.decision !== undefined) steps = rebuild(builder, steps, kept, made.decision);
  steps = placeConcats(steps, kept);
  if (!isolate) runInPlace(steps, kept);
  const { kind, layout, slots } = made;
  const program = assemble(builder, steps, { kind, layout, slots, isolate });
  assertSound(program);
  return program;
}

/**
 * The 16-bit copies of the parameters that the steps read, made by one instruction at the start: they lie
 * as the parameters do, so that one pass over the slab fills them. They belong to the run, so that
 * whoever changes a parameter need not know of them.
 */
function copyWeights(builder: Builder, steps: readonly Step[], slabs: Slabs): Step[] {
  const uses = new Uses(steps, []);
  const copies = [...builder.weightCopies].flatMap(([parameter, made]) => {
    if (uses.of(made.storage).length === 0) return [];
    const found = slabs.layout.parameters.find(({ name }) => name === parameter.storage.name)!;
    const offset = found.offset / bytesOf[found.dtype];
    return [{ made, offset, end: offset + found.elements }];
  });
  if (copies.length === 0) return [...steps];
  const begin = Math.min(...copies.map(({ offset }) => offset));
  const elements = Math.max(...copies.map(({ end }) => end)) - begin;
  const storage = builder.storage({
    ...{ name: 'weights.copies', dtype: builder.storageType, category: 'weightCopies' },
    fixed: elements,
  });
  for (const { made, offset } of copies)
    uses.move(made.storage, { storage, offset: offset - begin, width: 1, pitch: 1 });
  const x = denseView(slabs.storage('parameters'), [elements], false, begin);
  const y = denseView(storage, [elements], false);
  const place = { layer: 'weights', phase: 'forward' } as const;
  return [makeStep(copy, { alpha: 1, beta: 0 }, { x, y }, place), ...steps];
}

/** From storages of their own, where the tape has put them, to their places in the slabs. */
function moveIntoSlabs(
  builder: Builder,
  steps: readonly Step[],
  slabs: Slabs,
  homes: ReadonlyMap<Tensor, Tensor>,
): void {
  const uses = new Uses(steps, []);
  for (const { name, region, offset, trainable } of slabs.layout.parameters) {
    const parameter = builder.parameters.get(name)!;
    const place = { offset: offset / bytesOf[builder.dtype], width: 1, pitch: 1 };
    uses.move(parameter.storage, { storage: slabs.storage(region), ...place });
    const gradient = trainable ? homes.get(parameter) : undefined;
    if (gradient !== undefined)
      uses.move(gradient.storage, { storage: slabs.storage('gradients'), ...place });
  }
}
