import { StriateError } from '../errors.js';
import { align, assignOffsets, peakOf, type Block } from './arena.js';
import { bytesOf, type Category, type Program, type ProgramBuffer } from './program.js';

/** What one layer takes, before anything shares memory. Bytes. */
export interface LayerPlan {
  name: string;
  /** The sum of the parts. */
  bytes: number;
  /** Parameters and running statistics. */
  parameters: number;
  /** Gradients of the parameters. */
  gradients: number;
  /** What the optimizer remembers. */
  optimizer: number;
  activations: number;
  activationGradients: number;
  /** Copies in 16 bits; all of them stand under `weights`. */
  weightCopies: number;
  workspace: number;
}

export interface PlannedBuffer {
  name: string;
  category: Category;
  bytes: number;
}

export interface PlanPeak {
  /** Bytes in use at that moment, slabs and staging included. */
  bytes: number;
  /** Number of the instruction. */
  instruction: number;
  /** `conv2 conv2dBackwardFilter (backward)` */
  label: string;
  /** What is alive in the arena, largest first. */
  buffers: PlannedBuffer[];
}

/**
 * Where a program's memory goes, to the byte; known without a device. `totalBytes` is what a device
 * allocates for the program: slabs, constants, the arena, and two staging slots of the input.
 */
export class Plan {
  readonly kind: Program['kind'];
  /** Images a step. */
  readonly batch: number;
  /** Images that pass at once; fewer than `batch` where gradients add up. */
  readonly microBatch: number;
  readonly totalBytes: number;
  /**
   * Bytes by purpose: of the arena, what is alive at the peak. With `arena.unused` they add up to
   * `totalBytes`. `scratch` is what the threads of the CPU device pack into.
   */
  readonly categories: Readonly<Record<Category | 'scratch', number>>;
  /** `lowerBound`: bytes alive at the peak, which no plan can undercut. `unused` is the rest. */
  readonly arena: {
    readonly bytes: number;
    readonly lowerBound: number;
    readonly unused: number;
    /** Buffers that share it. */
    readonly buffers: number;
  };
  readonly layers: readonly LayerPlan[];
  readonly peak: PlanPeak;
  readonly #program: Program;

  /**
   * `batch`: images a step, where several runs make one. `threads`: of a CPU device that is to be counted
   * too; left out, the program alone is.
   */
  constructor(
    program: Program,
    { batch = program.batch, threads = 0 }: { batch?: number; threads?: number } = {},
  ) {
    this.#program = program;
    const scratch = threads * scratchBytes;
    this.kind = program.kind;
    this.batch = batch;
    this.microBatch = program.batch;
    this.totalBytes = totalOf(program.bytes) + scratch;
    const transient = program.buffers.filter((b) => b.region === 'arena');
    const { bytes: lowerBound, instruction } = peakOf(transient);
    const alive = transient.filter((b) => b.first <= instruction && instruction <= b.last);
    const { arena } = program.bytes;
    this.arena = {
      bytes: arena,
      lowerBound,
      unused: arena - lowerBound,
      buffers: transient.length,
    };
    this.categories = { ...categoriesOf(program, alive), scratch };
    this.layers = layersOf(program);
    const at = program.instructions[instruction];
    this.peak = {
      bytes: this.totalBytes - this.arena.unused,
      instruction,
      label: at === undefined ? '' : `${at.layer} ${at.op} (${at.phase})`,
      buffers: alive
        .map(({ name, category, bytes }) => ({ name, category, bytes }))
        .sort((a, b) => b.bytes - a.bytes),
    };
  }

  /** Bytes that the program would take with another number of images at once. */
  bytesFor(batch: number): number {
    const { buffers, bytes } = this.#program;
    const sized = buffers.map((b): Block & { region: ProgramBuffer['region'] } => ({
      bytes: (b.fixed + b.perImage * batch) * bytesOf[b.dtype],
      first: b.first,
      last: b.last,
      region: b.region,
    }));
    const input = sized
      .filter((b) => b.region === 'input')
      .reduce((sum, b) => sum + align(b.bytes), 0);
    const arena = assignOffsets(sized.filter((b) => b.region === 'arena')).bytes;
    return totalOf({ ...bytes, input, arena }) + this.categories.scratch;
  }

  /**
   * The most images that may pass at once in so much device memory: the largest batch, or micro-batch. 0
   * when not even one image fits.
   *
   * @param memory Bytes, or a text: `'24GB'` (10^9 bytes each), `'24GiB'` (2^30), `'800MB'`.
   */
  largestBatch(memory: number | string): number {
    const budget = parseBytes(memory);
    if (this.bytesFor(1) > budget) return 0;
    let fits = 1;
    let fails = 2;
    while (this.bytesFor(fails) <= budget) {
      fits = fails;
      fails *= 2;
      if (fails > 2 ** 31) return 2 ** 31 - 1;
    }
    while (fails - fits > 1) {
      const middle = Math.floor((fits + fails) / 2);
      if (this.bytesFor(middle) <= budget) fits = middle;
      else fails = middle;
    }
    return fits;
  }

  toJSON(): object {
    const { kind, batch, microBatch, totalBytes, categories, arena, layers, peak } = this;
    return { kind, batch, microBatch, totalBytes, categories, arena, layers, peak };
  }
}

/** Of each thread of the CPU device; native/cpu/threads.h has the same. */
const scratchBytes = 2 ** 22;

function totalOf(bytes: Program['bytes']): number {
  const { parameters, gradients, optimizer, state, constants, arena, input } = bytes;
  return parameters + gradients + optimizer + state + constants + arena + 2 * input;
}

function categoriesOf(program: Program, alive: readonly ProgramBuffer[]): Record<Category, number> {
  const { parameters, gradients, optimizer, state, input } = program.bytes;
  const sums: Record<Category, number> = {
    parameters,
    gradients,
    optimizer,
    state,
    activations: 0,
    activationGradients: 0,
    weightCopies: 0,
    workspace: 0,
    input: 2 * input,
  };
  const constants = program.buffers.filter((b) => b.region === 'constants');
  for (const b of [...alive, ...constants]) sums[b.category] += align(b.bytes);
  return sums;
}

/** Layers in the order in which they run. */
function layersOf(program: Program): LayerPlan[] {
  const plans = new Map<string, LayerPlan>();
  const planOf = (name: string): LayerPlan => {
    let plan = plans.get(name);
    if (plan === undefined) {
      plan = {
        name,
        bytes: 0,
        parameters: 0,
        gradients: 0,
        optimizer: 0,
        activations: 0,
        activationGradients: 0,
        weightCopies: 0,
        workspace: 0,
      };
      plans.set(name, plan);
    }
    return plan;
  };
  for (const { layer } of program.instructions) planOf(layer);
  for (const p of program.parameters) {
    const plan = planOf(p.name.slice(0, p.name.lastIndexOf('.')));
    const bytes = align(p.elements * bytesOf[p.dtype]);
    plan.parameters += bytes;
    if (p.trainable) plan.optimizer += program.slots.length * bytes;
    if (p.trainable && program.bytes.gradients > 0) plan.gradients += bytes;
  }
  for (const b of program.buffers) {
    if (b.region !== 'arena') continue;
    const plan = planOf(b.name.split('.')[0]!);
    if (b.category === 'activationGradients') plan.activationGradients += align(b.bytes);
    else if (b.category === 'weightCopies') plan.weightCopies += align(b.bytes);
    else if (b.category === 'workspace') plan.workspace += align(b.bytes);
    else plan.activations += align(b.bytes);
  }
  for (const plan of plans.values())
    plan.bytes =
      plan.parameters +
      plan.gradients +
      plan.optimizer +
      plan.activations +
      plan.activationGradients +
      plan.weightCopies +
      plan.workspace;
  return [...plans.values()];
}

const units: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/**
 * Bytes from a number or a text such as `24GB`, `1.5 GiB`, `800MB`.
 *
 * @throws StriateError `INVALID_ARGUMENT`
 */
export function parseBytes(memory: number | string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?\s*$/i.exec(String(memory));
  const unit = units[(match?.[2] ?? 'b').toLowerCase()];
  const bytes = match === null || unit === undefined ? NaN : Number(match[1]) * unit;
  if (Number.isFinite(bytes)) return Math.floor(bytes);
  throw new StriateError('INVALID_ARGUMENT', `${JSON.stringify(memory)} is no amount of memory`, {
    remedy: "give bytes, or a text like '24GB', '24GiB' or '800MB'",
  });
}
