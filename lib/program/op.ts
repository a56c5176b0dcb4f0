import type { Access, DType } from './program.js';
import type { Tensor } from './tensor.js';

export type AttributeType = 'int32' | 'float32' | 'int64' | 'float64';
export type AttributeValues = Record<string, number | bigint>;

export interface OperandSpec {
  name: string;
  role: 'in' | 'out';
  optional?: boolean;
  /**
   * What it holds. `storage` (the default): volumes, in 16 bits where the program stores them so.
   * `compute`: what is always kept in full, parameters' gradients, statistics, losses.
   */
  element?: 'storage' | 'compute' | 'int32' | 'bytes' | 'other';
}

/** Elements affine in the batch. */
export interface Extent {
  fixed: number;
  perImage: number;
}

/** The kind of device that a program is compiled for. */
export type TargetDevice = 'cpu' | 'cuda';

/** What an op's need for workspace depends on beside its operands. */
export interface WorkspacePlan {
  device: TargetDevice;
  /** The planned batch. */
  batch: number;
}

/** What the compiler knows when it chooses between algorithms. */
export interface CompilePlan extends WorkspacePlan {
  dtype: 'float32' | 'float64';
}

/**
 * One op in TypeScript: the twin of an entry of `native/ops/<family>.h` (a contract test compares the
 * two), with what only the compiler needs: workspace, in-place permissions, and the gradient.
 */
export interface OpDefinition {
  readonly name: string;
  readonly operands: readonly OperandSpec[];
  readonly attributes: Readonly<Record<string, AttributeType>>;
  /** Pairs [out, in] that may be one buffer. */
  readonly inPlace?: readonly (readonly [string, string])[];
  /** The attributes with what they left open decided: an algorithm. Absent where nothing is open. */
  choose?(attributes: AttributeValues, operands: Operands, plan: CompilePlan): AttributeValues;
  /** Bytes of the operand `workspace`, where the op has one. */
  workspace?(
    attributes: AttributeValues,
    operands: Operands,
    dtype: 'float32' | 'float64',
    plan?: WorkspacePlan,
  ): Extent;
  /**
   * Its outputs cost about what reading and writing them costs: they are made again in the backward pass
   * rather than kept.
   */
  readonly light?: true;
  /** How its first output is made again, where that is less than all of the op. */
  readonly rebuild?: RebuildForm;
  /** Absent for ops that make no sense alone (`sgd`, `checkFinite`). */
  readonly eager?: EagerForm;
  /** Emits the gradient; absent where there is none. */
  backward?(g: GradientScope): void;
}

/** Another op that gives the same bits from the same inputs and from optional outputs which the first left. */
export interface RebuildForm {
  readonly op: OpDefinition;
  /** Optional outputs of the op that are asked for where a rebuild needs them. */
  readonly saved: readonly string[];
  /** The output whose shape they have. */
  readonly like: string;
}

/**
 * The op as a function over eager tensors, `device.ops.<name>(...inputs, options)`: what the options
 * mean, and what comes out. Shapes here include the batch.
 */
export interface EagerForm {
  attributes(
    shapes: Readonly<Record<string, readonly number[] | undefined>>,
    options: Readonly<Record<string, unknown>>,
  ): AttributeValues;
  /**
   * Outputs to allocate; optional ones that are left out here are not computed. `dtype` defaults to that
   * of the inputs: of the volumes, or the one that they are computed with (`element` of the operand).
   */
  outputs(
    shapes: Readonly<Record<string, readonly number[] | undefined>>,
    attributes: AttributeValues,
    options: Readonly<Record<string, unknown>>,
  ): Record<string, { shape: readonly number[]; dtype?: DType }>;
}

export type Operands = Record<string, Tensor | undefined>;

/** What an op's `backward` works with: its own instruction, and the gradients around it. */
export interface GradientScope {
  readonly attributes: AttributeValues;
  readonly layer: string;
  operand(name: string): Tensor;
  /** Undefined when the optional operand was left out. */
  optionalOperand(name: string): Tensor | undefined;
  /** The gradient by an output; undefined when nothing depends on it. */
  gradientOf(output: string): Tensor | undefined;
  /** Whether anyone needs the gradient by this input. */
  wants(input: string): boolean;
  /**
   * Contributes to the gradients of the named inputs through one instruction. `emit` receives an
   * operand for each wanted one (Overwrite for the first contribution, Accumulate after it), undefined
   * for the others; not called when none is wanted.
   */
  contribute(
    inputs: readonly string[],
    emit: (gradients: Record<string, Target | undefined>) => void,
  ): void;
  /** The gradient by the input *is* this tensor (addition, reshape): no instruction where none is needed. */
  pass(input: string, gradient: Tensor): void;
  emit(
    op: OpDefinition,
    attributes: AttributeValues,
    operands: Record<string, Tensor | Target | undefined>,
  ): void;
  temporary(
    shape: readonly number[],
    options: { batched: boolean; name: string; category?: 'workspace' | 'activationGradients' },
  ): Tensor;
}

/** An operand that is written, and how. */
export interface Target {
  tensor: Tensor;
  access: Exclude<Access, 'read'>;
}

const definitions = new Map<string, OpDefinition>();

/** Registers an op's TypeScript twin. */
export function defineOp<const D extends OpDefinition>(definition: D): D {
  if (definitions.has(definition.name)) throw new Error(`op ${definition.name} is defined twice`);
  definitions.set(definition.name, definition);
  return definition;
}

export function listOps(): readonly OpDefinition[] {
  return [...definitions.values()];
}

export function findOp(name: string): OpDefinition | undefined {
  return definitions.get(name);
}
