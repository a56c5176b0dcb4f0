// Runs the gradient rule of an op (its TypeScript `backward`) on the device, instruction by instruction:
// what the compiler would put into a program, with contents instead of a plan.
import type { AttributeValues, GradientScope, OpDefinition, Target } from '../../lib/program/op.js';
import type { DType } from '../../lib/program/program.js';
import type { Tensor } from '../../lib/program/tensor.js';
import { elements, isBatched, type ControlValues, type Numbers, type OpCase } from './cases.js';
import { operandsOf, withWorkspace, type Given, type Runner } from './run.js';

interface Instruction {
  op: OpDefinition;
  attributes: AttributeValues;
  operands: Record<string, Tensor | Target | undefined>;
}

const isTarget = (operand: Tensor | Target): operand is Target => 'access' in operand;

/** The gradients of one call of an op, as its `backward` states them. */
export class Gradients implements GradientScope {
  readonly layer = 'gradcheck';
  readonly attributes: AttributeValues;
  /** Upstream gradients by output, for those that the rule asked for. */
  readonly upstream = new Map<string, Numbers>();

  private readonly contents = new Map<number, Float64Array | Numbers>();
  private readonly operands = new Map<string, Tensor>();
  private readonly upstreams = new Map<string, Tensor>();
  private readonly gradients = new Map<string, Tensor>();
  private readonly instructions: Instruction[] = [];
  private readonly n: number;
  private storages = 0;

  /**
   * @param wanted inputs whose gradients are asked for
   * @param values contents of all operands, outputs included
   * @param upstreamOf a gradient for an output
   */
  constructor(
    readonly definition: OpDefinition,
    readonly c: OpCase,
    readonly wanted: ReadonlySet<string>,
    values: Readonly<Record<string, Given>>,
    private readonly upstreamOf: (output: string, count: number) => Numbers,
  ) {
    this.attributes = { ...c.attributes };
    this.n =
      Object.entries(values).find(([name, { shape }]) => isBatched(name, shape))?.[1].shape[0] ?? 1;
    for (const [name, { shape, dtype, contents }] of Object.entries(values)) {
      const batched = isBatched(name, shape);
      this.operands.set(
        name,
        this.tensor(batched ? shape.slice(1) : shape, batched, name, dtype, contents),
      );
    }
  }

  /** Names of the ops that the rule emitted. */
  get ops(): string[] {
    return this.instructions.map(({ op }) => op.name);
  }

  operand(name: string): Tensor {
    const tensor = this.operands.get(name);
    if (tensor === undefined)
      throw new Error(`${this.definition.name} has no operand ${name} here`);
    return tensor;
  }

  optionalOperand(name: string): Tensor | undefined {
    return this.operands.get(name);
  }

  gradientOf(output: string): Tensor | undefined {
    const known = this.upstreams.get(output);
    if (known !== undefined) return known;
    const y = this.operand(output);
    const contents = this.upstreamOf(output, this.count(y));
    this.upstream.set(output, contents);
    const tensor = this.tensor(y.shape, y.batched, `d${output}`, 'float64', contents);
    this.upstreams.set(output, tensor);
    return tensor;
  }

  wants(input: string): boolean {
    return this.wanted.has(input);
  }

  contribute(
    inputs: readonly string[],
    emit: (gradients: Record<string, Target | undefined>) => void,
  ): void {
    const wanted = inputs.filter((input) => this.wants(input));
    if (wanted.length > 0)
      emit(Object.fromEntries(wanted.map((input) => [input, this.target(input)])));
  }

  pass(input: string, gradient: Tensor): void {
    if (!this.wants(input)) return;
    if (!this.gradients.has(input)) this.gradients.set(input, gradient);
    else
      throw new Error(
        `${this.definition.name} passes on the gradient of ${input} after contributing to it`,
      );
  }

  emit(
    op: OpDefinition,
    attributes: AttributeValues,
    operands: Record<string, Tensor | Target | undefined>,
  ): void {
    this.instructions.push({ op, attributes, operands });
  }

  temporary(shape: readonly number[], options: { batched: boolean; name: string }): Tensor {
    return this.tensor(shape, options.batched, options.name, 'float64');
  }

  /** Runs what was emitted; returns the gradients by input. */
  async run(runner: Runner, control: ControlValues | undefined): Promise<Record<string, Numbers>> {
    for (const { op, attributes, operands } of this.instructions) {
      const given: Record<string, Given> = {};
      for (const [name, operand] of Object.entries(operands)) {
        if (operand === undefined) continue;
        const tensor = isTarget(operand) ? operand.tensor : operand;
        const role = op.operands.find((spec) => spec.name === name)!.role;
        const access = isTarget(operand) ? operand.access : role === 'in' ? 'read' : 'overwrite';
        const contents = this.contents.get(tensor.storage.id)!;
        given[name] = { shape: this.shape(tensor), dtype: tensor.dtype, contents, access };
      }
      const results = await runner.run(
        op.name,
        attributes,
        withWorkspace(op.name, attributes, given, 'float64'),
        control,
      );
      for (const [name, operand] of Object.entries(operands))
        if (operand !== undefined && results[name] !== undefined)
          this.contents.set(
            (isTarget(operand) ? operand.tensor : operand).storage.id,
            results[name],
          );
    }
    const contents = ([input, tensor]: [string, Tensor]) =>
      [input, this.contents.get(tensor.storage.id)!] as const;
    return Object.fromEntries([...this.gradients].map(contents));
  }

  private target(input: string): Target {
    const known = this.gradients.get(input);
    if (known !== undefined) return { tensor: known, access: 'accumulate' };
    const x = this.operand(input);
    const tensor = this.tensor(x.shape, x.batched, `d${input}`, 'float64');
    this.gradients.set(input, tensor);
    return { tensor, access: 'overwrite' };
  }

  private shape(tensor: Tensor): number[] {
    if (!tensor.batched) return [...tensor.shape];
    return tensor.shape.length > 0 ? [this.n, ...tensor.shape] : [this.n];
  }

  private count(tensor: Tensor): number {
    return elements(this.shape(tensor));
  }

  private tensor(
    shape: readonly number[],
    batched: boolean,
    name: string,
    dtype: DType,
    contents?: Numbers,
  ): Tensor {
    const id = this.storages++;
    const count = elements(shape);
    const tensor: Tensor = {
      storage: {
        id,
        name,
        dtype,
        category: 'activations',
        fixed: batched ? 0 : count,
        perImage: batched ? count : 0,
      },
      shape: [...shape],
      batched,
      dtype,
      pitch: shape.at(-1) ?? 1,
      offset: 0,
    };
    this.contents.set(id, contents ?? new Float64Array(this.count(tensor)).fill(NaN));
    return tensor;
  }
}

/** Dense operands of a case in float64, its outputs computed by the op itself. */
export async function forwardValues(
  runner: Runner,
  op: string,
  c: OpCase,
): Promise<Record<string, Given>> {
  const given = denseOperands(op, c);
  const outputs = await runner.run(op, c.attributes, given, c.control);
  for (const [name, contents] of Object.entries(outputs))
    given[name] = { ...given[name]!, contents };
  return given;
}

/** Operands of a case without channel ranges and additions. */
export function denseOperands(op: string, c: OpCase): Record<string, Given> {
  const given = operandsOf(op, c, 'float64', 'overwrite');
  for (const [name, { shape, dtype, contents, access }] of Object.entries(given))
    given[name] = { shape, dtype, contents, access };
  return given;
}
