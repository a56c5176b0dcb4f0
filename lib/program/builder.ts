import { StriateError } from '../errors.js';
import type { ForwardScope } from '../graph/layer.js';
import type { Fit, Shape } from '../graph/shape.js';
import { copy } from './copy.js';
import { isHalf } from './half.js';
import type {
  AttributeValues,
  CompilePlan,
  OpDefinition,
  OperandSpec,
  Operands,
  Target,
  TargetDevice,
} from './op.js';
import {
  computeTypeOf,
  storageTypeOf,
  type ComputeType,
  type Precision,
  type StorageType,
} from './precision.js';
import type { Category, DType, Phase } from './program.js';
import { concatMark, makeStep, type Step, type TapeOperand } from './tape.js';
import type { Storage, Tensor } from './tensor.js';
import {
  coversStorage,
  denseView,
  elementsOf,
  floatBytes,
  product,
  reshapeView,
  rowOf,
} from './views.js';

export interface StorageOptions {
  name: string;
  dtype: DType;
  category: Category;
  region?: NonNullable<Storage['region']>;
}

/** Where an instruction stands, and for which type of volumes it is emitted. */
interface Place {
  layer: string;
  phase: Phase;
  /** Left out: that of the volumes which it reads. */
  volumes?: StorageType;
}

type GivenOperands = Record<string, Tensor | Target | undefined>;

/** What is read after the run, or written before it. */
export interface Port extends TapeOperand {
  readonly name: string;
}

/**
 * Collects the steps of a program: forward while the layers run, backward while differentiation does.
 * Values are tensors; `reshape` gives another view of the same value, and `rootOf` leads back to it.
 */
export class Builder {
  readonly steps: Step[] = [];
  /** Changes of state, moved to the end of the step. */
  readonly commits: Step[] = [];
  readonly inputs: Port[] = [];
  readonly outputs: Port[] = [];
  readonly constants = new Map<Storage, Uint8Array>();
  /** Parameters by full name. */
  readonly parameters = new Map<string, Tensor>();
  /** 16-bit copies of parameters, by parameter; the compiler emits what makes them. */
  readonly weightCopies = new Map<Tensor, Tensor>();
  /** Of parameters, sums, statistics and losses. */
  readonly dtype: ComputeType;
  /** Of volumes: activations and their gradients. */
  readonly storageType: StorageType;
  readonly #roots = new Map<Tensor, Tensor>();
  /** What the first instruction that writes it will give its element type. */
  readonly #open = new Set<Storage>();
  /** Values of the forward pass in another element type, by value. */
  readonly #converted = new Map<Tensor, Tensor>();
  /** The gradients of parameters are added to, not overwritten. */
  accumulates = false;
  /** The gradient of every loss is multiplied by the loss scale, not only in float16. */
  scalesLoss = false;
  #storages = 0;

  constructor(
    readonly batch: number,
    readonly precision: Precision,
    readonly device: TargetDevice = 'cpu',
  ) {
    this.dtype = computeTypeOf(precision);
    this.storageType = storageTypeOf(precision);
  }

  /** Whether gradients are multiplied by the loss scale until the optimizer or the caller takes them. */
  get scaled(): boolean {
    return this.precision === 'float16' || this.scalesLoss;
  }

  storage(
    options: StorageOptions & { fixed?: number; perImage?: number; offset?: never },
  ): Storage {
    const { name, dtype, category, region, fixed = 0, perImage = 0 } = options;
    return {
      id: this.#storages++,
      name,
      dtype,
      category,
      fixed,
      perImage,
      ...(region === undefined ? {} : { region }),
    };
  }

  /** A dense tensor in a storage of its own. */
  tensor(shape: readonly number[], batched: boolean, options: StorageOptions): Tensor {
    const elements = product(shape);
    const size = batched ? { perImage: elements } : { fixed: elements };
    return denseView(this.storage({ ...options, ...size }), shape, batched);
  }

  /**
   * A dense tensor whose element type is that of the operand as which it is first written: `compute`
   * operands are in the compute type, `storage` operands in that of the instruction's volumes.
   */
  openTensor(
    shape: readonly number[],
    batched: boolean,
    options: Omit<StorageOptions, 'dtype'>,
  ): Tensor {
    const t = this.tensor(shape, batched, { ...options, dtype: this.storageType });
    if (this.storageType !== this.dtype) this.#open.add(t.storage);
    return t;
  }

  constant(name: string, dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
    const category: Category = dtype === 'int32' ? 'optimizer' : 'state';
    const t = this.tensor(shape, false, { name, dtype, category, region: 'constants' });
    this.constants.set(t.storage, bytes);
    return t;
  }

  /** A tensor that the caller fills before each run. */
  input(name: string, shape: readonly number[], dtype: DType): Tensor {
    const t = this.tensor(shape, true, { name, dtype, category: 'input', region: 'input' });
    this.inputs.push({ name, tensor: t, access: 'read' });
    return t;
  }

  /** Lets the caller read a tensor after a run; what has 16 bits in the compute type. */
  output(name: string, t: Tensor, phase: 'forward' | 'backward' = 'forward'): void {
    const dense = coversStorage(t) && t.storage.region === undefined && !isHalf(t.dtype);
    const tensor = dense ? t : this.#copied(t, name, phase);
    this.outputs.push({ name, tensor, access: 'read' });
  }

  /** The value that a view was reshaped from. */
  rootOf(t: Tensor): Tensor {
    let root = t;
    for (let next = this.#roots.get(root); next !== undefined; next = this.#roots.get(root))
      root = next;
    return root;
  }

  reshape(x: Tensor, shape: readonly number[]): Tensor {
    if (product(shape) !== elementsOf(x))
      throw new StriateError(
        'INVALID_SHAPE',
        `[${x.shape.join(', ')}] has ${elementsOf(x)} elements, [${shape.join(', ')}] has ${product(shape)}`,
        { remedy: 'give a shape with as many elements' },
      );
    const view = reshapeView(x, shape);
    if (view === undefined)
      throw new StriateError('INVALID_ARGUMENT', `${x.storage.name} cannot be reshaped in place`, {
        remedy: 'copy the range into a tensor of its own first',
      });
    this.#roots.set(view, x);
    return view;
  }

  emit(
    op: OpDefinition,
    attributes: AttributeValues,
    operands: GivenOperands,
    { volumes, ...place }: Place,
  ): Step {
    const numbers = 'tf32' in op.attributes ? { ...attributes, tf32: this.#tf32 } : attributes;
    const after: Step[] = [];
    const typed =
      this.storageType === this.dtype
        ? operands
        : this.#withTypes(op, operands, { ...place, ...(volumes && { volumes }) }, after);
    const chosen = op.choose?.(numbers, tensorsOf(typed), this.#plan()) ?? numbers;
    const step = makeStep(op, chosen, this.#withWorkspace(op, chosen, typed, place), place);
    (place.phase === 'commit' ? this.commits : this.steps).push(step, ...after);
    return step;
  }

  concat(xs: readonly Tensor[], place: { layer: string; phase: Phase }): Tensor {
    const [first] = xs;
    if (first === undefined)
      throw new StriateError('INVALID_ARGUMENT', `${place.layer}: concat of nothing`, {
        remedy: 'give at least one input',
      });
    const channels = xs.reduce((sum, x) => sum + rowOf(x), 0);
    const sameType = xs.every(({ dtype }) => dtype === first.dtype);
    const y = this.tensor([...first.shape.slice(0, -1), channels], first.batched, {
      name: `${place.layer}.y`,
      dtype: sameType ? first.dtype : this.storageType,
      category: 'activations',
    });
    const operands = new Map<string, TapeOperand>();
    xs.forEach((x, i) => operands.set(`x${i}`, { tensor: x, access: 'read' }));
    operands.set('y', { tensor: y, access: 'overwrite' });
    this.steps.push({ op: concatMark, attributes: {}, operands, ...place });
    return y;
  }

  /** What a layer sees. `volumes`: the type of its volumes; a loss computes all in the compute type. */
  forwardScope(
    context: {
      layer: string;
      mode: 'train' | 'infer';
      differentiated?: boolean;
      fit: Fit;
      outputShape: Shape;
    },
    volumes: StorageType = this.storageType,
  ): ForwardScope {
    const place = { layer: context.layer, phase: 'forward' as const, volumes };
    return {
      ...context,
      dtype: this.dtype,
      parameter: (name) => {
        const t = this.parameters.get(`${context.layer}.${name}`);
        if (t === undefined)
          throw new StriateError('INVALID_ARGUMENT', `${context.layer} has no parameter ${name}`, {
            remedy: "list it in the layer's parameters()",
          });
        return t;
      },
      tensor: (shape, { name = 'y', batched = true, dtype } = {}) => {
        const options = { name: `${context.layer}.${name}`, category: 'activations' } as const;
        return dtype === undefined
          ? this.openTensor(shape, batched, options)
          : this.tensor(shape, batched, { ...options, dtype });
      },
      constant: (name, values) =>
        this.constant(
          `${context.layer}.${name}`,
          this.dtype,
          [values.length],
          floatBytes(values, this.dtype),
        ),
      emit: (op, attributes, operands) => {
        this.emit(op, attributes, operands, place);
      },
      commit: (op, attributes, operands) => {
        this.emit(op, attributes, operands, { ...place, phase: 'commit' });
      },
      reshape: (x, shape) => this.reshape(x, shape),
      concat: (xs) => this.concat(xs, { layer: place.layer, phase: place.phase }),
    };
  }

  #copied(t: Tensor, name: string, phase: Phase): Tensor {
    const dtype = isHalf(t.dtype) ? this.dtype : t.dtype;
    const y = this.tensor(t.shape, t.batched, { name, dtype, category: 'activations' });
    this.steps.push(convert(t, { tensor: y, access: 'overwrite' }, { layer: name, phase }));
    return y;
  }

  get #tf32(): number {
    return this.precision === 'tf32' ? 1 : 0;
  }

  /**
   * The type of the volumes that an instruction works on: 16 bits where it reads one that has them. What
   * is left over decides for instructions that read none (a fill): the volumes that they write.
   */
  #typeOf(op: OpDefinition, operands: GivenOperands): StorageType {
    const given = op.operands
      .filter(({ element = 'storage' }) => element === 'storage')
      .flatMap(({ name, role }) => {
        const operand = operands[name];
        if (operand === undefined) return [];
        const { storage } = tensorOf(operand);
        const parameter = storage.region === 'parameters' || storage.region === 'state';
        return parameter || this.#open.has(storage) ? [] : [{ role, storage }];
      });
    const read = given.filter(({ role }) => role === 'in');
    const decisive = read.length > 0 ? read : given;
    if (decisive.length === 0) return this.storageType;
    return decisive.some(({ storage }) => isHalf(storage.dtype)) ? this.storageType : this.dtype;
  }

  /**
   * Brings operands to the types that the op takes: inputs are converted before it, outputs of another
   * type after it (`after`), open tensors become what is written to them.
   */
  #withTypes(
    op: OpDefinition,
    operands: GivenOperands,
    place: Place,
    after: Step[],
  ): GivenOperands {
    // A view may be older than the decision about its storage.
    for (const operand of Object.values(operands)) {
      const t = operand && tensorOf(operand);
      if (t !== undefined) t.dtype = t.storage.dtype;
    }
    if (op === copy) return this.#copyTypes(operands, place);
    const volumes = place.volumes ?? this.#typeOf(op, operands);
    const typed: GivenOperands = { ...operands };
    for (const spec of op.operands) {
      const operand = operands[spec.name];
      const dtype = this.#wantedType(spec, volumes);
      if (operand === undefined || dtype === undefined) continue;
      typed[spec.name] =
        spec.role === 'in'
          ? this.#as(dtype, tensorOf(operand), place)
          : this.#written(
              dtype,
              'access' in operand ? operand : { tensor: operand, access: 'overwrite' },
              place,
              after,
            );
    }
    return typed;
  }

  /** A copy converts by itself. */
  #copyTypes(operands: GivenOperands, { volumes }: Place): GivenOperands {
    const { x, y } = operands;
    if (x && y) this.#settle(tensorOf(y), volumes ?? tensorOf(x).dtype);
    return operands;
  }

  /** Gives an open tensor its element type. */
  #settle(t: Tensor, dtype: DType): void {
    if (!this.#open.delete(t.storage)) return;
    t.storage.dtype = dtype;
    t.dtype = dtype;
  }

  #wantedType({ element = 'storage' }: OperandSpec, volumes: StorageType): StorageType | undefined {
    return element === 'storage' ? volumes : element === 'compute' ? this.dtype : undefined;
  }

  /** The value in this type. */
  #as(dtype: StorageType, t: Tensor, { layer, phase }: Place): Tensor {
    if (t.dtype === dtype || !isFloat(t.dtype)) return t;
    if (t.storage.region === 'parameters' && isHalf(dtype)) return this.#weightCopy(dtype, t);
    const converted = (x: Tensor, category: 'activations' | 'activationGradients'): Tensor => {
      const name = `${x.storage.name}.${dtype}`;
      const y = this.tensor(x.shape, x.batched, { name, dtype, category });
      // What a commit reads is made before it, in the forward pass.
      const at = { layer, phase: phase === 'commit' ? ('forward' as const) : phase };
      this.steps.push(convert(x, { tensor: y, access: 'overwrite' }, at));
      return y;
    };
    // Gradients change under way: each reader has them converted anew.
    if (phase === 'backward') return converted(t, 'activationGradients');
    const root = this.rootOf(t);
    const known = this.#converted.get(root) ?? converted(root, 'activations');
    this.#converted.set(root, known);
    return this.reshape(known, t.shape);
  }

  /** A parameter as the ops that multiply it read it. To differentiation both are one value. */
  #weightCopy(dtype: StorageType, t: Tensor): Tensor {
    const root = this.rootOf(t);
    let made = this.weightCopies.get(root);
    if (made === undefined) {
      const name = `${root.storage.name}.${dtype}`;
      made = this.tensor(root.shape, false, { name, dtype, category: 'weightCopies' });
      this.weightCopies.set(root, made);
      this.#roots.set(made, root);
    }
    return this.reshape(made, t.shape);
  }

  /** Where the op writes: the target itself, or memory from which it is converted afterwards. */
  #written(dtype: StorageType, target: Target, place: Place, after: Step[]): Target {
    const { tensor, access } = target;
    this.#settle(tensor, dtype);
    if (tensor.dtype === dtype || !isFloat(tensor.dtype)) return target;
    const { layer, phase } = place;
    const name = `${tensor.storage.name}.${dtype}`;
    const category =
      tensor.storage.category === 'activations' ? 'activations' : 'activationGradients';
    const made = this.tensor(tensor.shape, tensor.batched, { name, dtype, category });
    after.push(convert(made, { tensor, access }, { layer, phase }));
    return { tensor: made, access: 'overwrite' };
  }

  #plan(): CompilePlan {
    const { device, batch, dtype } = this;
    return { device, batch, dtype };
  }

  /** Gives the op the workspace that it asks for. */
  #withWorkspace(
    op: OpDefinition,
    attributes: AttributeValues,
    operands: Record<string, Tensor | Target | undefined>,
    place: { layer: string },
  ): Record<string, Tensor | Target | undefined> {
    const spec = op.operands.find((o) => o.name === 'workspace');
    if (spec === undefined || op.workspace === undefined || operands.workspace !== undefined)
      return operands;
    const tensors = tensorsOf(operands);
    const { fixed, perImage } = op.workspace(attributes, tensors, this.dtype, this.#plan());
    const bytes = fixed + perImage * this.batch;
    if (bytes === 0 && spec.optional) return operands;
    const storage = this.storage({
      name: `${place.layer}.${op.name}.workspace`,
      dtype: 'uint8',
      category: 'workspace',
      fixed: bytes === 0 ? 1 : fixed,
      perImage,
    });
    return { ...operands, workspace: denseView(storage, [Math.max(1, bytes)], false) };
  }
}

function tensorsOf(operands: Record<string, Tensor | Target | undefined>): Operands {
  return Object.fromEntries(
    Object.entries(operands).map(([name, operand]) => [name, operand && tensorOf(operand)]),
  );
}

function tensorOf(operand: Tensor | Target): Tensor {
  return 'access' in operand ? operand.tensor : operand;
}

function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64' || isHalf(dtype);
}

/** The op `copy` from one element type to another. */
function convert(x: Tensor, y: Target, place: { layer: string; phase: Phase }): Step {
  return makeStep(copy, { alpha: 1, beta: 0 }, { x, y }, place);
}
