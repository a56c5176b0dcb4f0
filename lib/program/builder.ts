import { StriateError } from '../errors.js';
import type { ForwardScope } from '../graph/layer.js';
import type { Fit, Shape } from '../graph/shape.js';
import { copy } from './copy.js';
import type { AttributeValues, OpDefinition, Operands, Target, TargetDevice } from './op.js';
import type { Category, DType, Phase } from './program.js';
import { concatMark, makeStep, type Step, type TapeOperand } from './tape.js';
import type { Storage, Tensor } from './tensor.js';
import { coversStorage, denseView, elementsOf, product, reshapeView, rowOf } from './views.js';

export interface StorageOptions {
  name: string;
  dtype: DType;
  category: Category;
  region?: NonNullable<Storage['region']>;
}

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
  readonly #roots = new Map<Tensor, Tensor>();
  /** The gradients of parameters are added to, not overwritten. */
  accumulates = false;
  #storages = 0;

  constructor(
    readonly batch: number,
    readonly dtype: 'float32' | 'float64',
    readonly device: TargetDevice = 'cpu',
  ) {}

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

  /** Lets the caller read a tensor after a run. */
  output(name: string, t: Tensor): void {
    const dense = coversStorage(t) && t.storage.region === undefined;
    const tensor = dense ? t : this.#copied(t, name);
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
    operands: Record<string, Tensor | Target | undefined>,
    place: { layer: string; phase: Phase },
  ): Step {
    const step = makeStep(
      op,
      attributes,
      this.#withWorkspace(op, attributes, operands, place),
      place,
    );
    (place.phase === 'commit' ? this.commits : this.steps).push(step);
    return step;
  }

  concat(xs: readonly Tensor[], place: { layer: string; phase: Phase }): Tensor {
    const [first] = xs;
    if (first === undefined)
      throw new StriateError('INVALID_ARGUMENT', `${place.layer}: concat of nothing`, {
        remedy: 'give at least one input',
      });
    const channels = xs.reduce((sum, x) => sum + rowOf(x), 0);
    const y = this.tensor([...first.shape.slice(0, -1), channels], first.batched, {
      name: `${place.layer}.y`,
      dtype: first.dtype,
      category: 'activations',
    });
    const operands = new Map<string, TapeOperand>();
    xs.forEach((x, i) => operands.set(`x${i}`, { tensor: x, access: 'read' }));
    operands.set('y', { tensor: y, access: 'overwrite' });
    this.steps.push({ op: concatMark, attributes: {}, operands, ...place });
    return y;
  }

  /** What a layer sees. */
  forwardScope(context: {
    layer: string;
    mode: 'train' | 'infer';
    fit: Fit;
    outputShape: Shape;
  }): ForwardScope {
    const place = { layer: context.layer, phase: 'forward' as const };
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
      tensor: (shape, { name = 'y', batched = true, dtype = this.dtype } = {}) =>
        this.tensor(shape, batched, {
          name: `${context.layer}.${name}`,
          dtype,
          category: 'activations',
        }),
      emit: (op, attributes, operands) => {
        this.emit(op, attributes, operands, place);
      },
      commit: (op, attributes, operands) => {
        this.emit(op, attributes, operands, { ...place, phase: 'commit' });
      },
      reshape: (x, shape) => this.reshape(x, shape),
      concat: (xs) => this.concat(xs, place),
    };
  }

  #copied(t: Tensor, name: string): Tensor {
    const y = this.tensor(t.shape, t.batched, { name, dtype: t.dtype, category: 'activations' });
    this.emit(copy, { alpha: 1, beta: 0 }, { x: t, y }, { layer: name, phase: 'forward' });
    return y;
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
    const tensors: Operands = {};
    for (const [name, operand] of Object.entries(operands))
      tensors[name] = operand === undefined || !('access' in operand) ? operand : operand.tensor;
    const { fixed, perImage } = op.workspace(attributes, tensors, this.dtype, {
      device: this.device,
      batch: this.batch,
    });
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
