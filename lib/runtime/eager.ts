import type { NativeControl, NativeOperand } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import '../layers/index.js';
import '../losses/index.js';
import { isHalf } from '../program/half.js';
import { listOps, type EagerForm, type OpDefinition } from '../program/op.js';
import { bytesOf, type Access, type DType } from '../program/program.js';
import type { Tensor as Planned } from '../program/tensor.js';
import type { Device } from './device.js';
import type { EagerOps } from './eager-ops.js';
import { checkShape, nativeAccesses, nativeDTypes } from './elements.js';
import { native, nativeAsync } from './errors.js';
import { nativeOp, packAttributes } from './native-ops.js';
import { Tensor } from './tensor.js';

export type { EagerOps } from './eager-ops.js';

type EagerDefinition = OpDefinition & { readonly eager: EagerForm };
type Options = Record<string, unknown>;
type Shapes = Record<string, readonly number[] | undefined>;

/** Every op that has an eager form, as a function over tensors of this device. */
export function eagerOps(device: Device): EagerOps {
  const ops: Record<string, unknown> = {};
  for (const definition of listOps()) {
    if (!isEager(definition)) continue;
    ops[definition.name] = async (...given: unknown[]) => call(device, definition, given);
  }
  return ops as unknown as EagerOps;
}

function isEager(definition: OpDefinition): definition is EagerDefinition {
  return definition.eager !== undefined;
}

/** Runs one op: inputs in the op's order, then options. One output comes alone, several by name. */
async function call(
  device: Device,
  definition: EagerDefinition,
  given: readonly unknown[],
): Promise<Tensor | Record<string, Tensor>> {
  const { inputs, options, control } = readArguments(device, definition, given);
  const shapes: Shapes = Object.fromEntries([...inputs].map(([name, x]) => [name, x.shape]));
  const wanted = definition.eager.attributes(shapes, options);
  const planned = definition.eager.outputs(shapes, wanted, options);
  const compute = [...inputs.values()].some((x) => x.dtype === 'float64') ? 'float64' : 'float32';
  const storage = [...inputs.values()].find((x) => isHalf(x.dtype))?.dtype ?? compute;
  const typeOf = (name: string): DType =>
    definition.operands.find((o) => o.name === name)?.element === 'compute' ? compute : storage;

  const made: Tensor[] = [];
  const allocate = (shape: readonly number[], dtype: DType, where: string): Tensor => {
    const bytes = checkShape(shape, `${where} of ${definition.name}`) * bytesOf[dtype];
    const tensor = new Tensor(
      device,
      shape,
      dtype,
      native(() => device.native.allocate(bytes, 'tensors')),
    );
    made.push(tensor);
    return tensor;
  };
  let workspace: Tensor | undefined;
  try {
    const outputs = new Map<string, Tensor>();
    for (const [name, { shape, dtype = typeOf(name) }] of Object.entries(planned))
      outputs.set(name, allocate(shape, dtype, name));
    const tensors = [...inputs, ...outputs].map(([name, t]) => [name, plannedOf(name, t)] as const);
    const operandTensors = Object.fromEntries(tensors);
    const batch = tensors[0]?.[1].shape[0] ?? 1;
    const plan = { device: device.target, batch, dtype: compute } as const;
    const attributes = definition.choose?.(wanted, operandTensors, plan) ?? wanted;
    const need = definition.workspace?.(attributes, operandTensors, compute, plan);
    const bytes = need === undefined ? 0 : need.fixed + need.perImage * batch;
    if (bytes > 0) workspace = allocate([bytes], 'uint8', 'workspace');
    const operands = definition.operands.map(({ name, role }): NativeOperand | null => {
      if (role === 'in') return operandOf(inputs.get(name), 'read');
      return operandOf(name === 'workspace' ? workspace : outputs.get(name), 'overwrite');
    });
    const op = nativeOp(definition.name);
    const packed = packAttributes(op, attributes);
    await nativeAsync(() => device.native.execute(op.number, packed, operands, control));
    workspace?.dispose();
    const [only, ...others] = outputs.values();
    return only !== undefined && others.length === 0 ? only : Object.fromEntries(outputs);
  } catch (error) {
    for (const tensor of made) tensor.dispose();
    throw error;
  }
}

function operandOf(tensor: Tensor | undefined, access: Access): NativeOperand | null {
  if (tensor === undefined) return null;
  const { buffer, dtype, shape } = tensor;
  return {
    buffer,
    byteOffset: 0,
    dtype: nativeDTypes[dtype],
    access: nativeAccesses[access],
    size: [...shape],
    pitch: shape.at(-1) ?? 1,
  };
}

const controlFields = ['step', 'sampleOffset', 'seed', 'learningRate', 'lossScale'] as const;

/** Sorts the arguments of a call: tensors by the op's inputs, the control block, the op's options. */
function readArguments(
  device: Device,
  { name, operands }: OpDefinition,
  given: readonly unknown[],
): { inputs: Map<string, Tensor>; options: Options; control: NativeControl } {
  const wanted = operands.filter(({ role }) => role === 'in');
  const form = `${name}(${wanted.map((o) => o.name + (o.optional ? '?' : '')).join(', ')}, options?)`;
  const refuse = (what: string): StriateError =>
    new StriateError('INVALID_ARGUMENT', `${name}: ${what}`, { remedy: `The call is ${form}.` });
  const rest = [...given];
  const last = rest.at(-1);
  const options: Options = isOptions(last) ? (rest.pop() as Options) : {};
  if (rest.length > wanted.length) throw refuse(`${rest.length} tensors are too many`);

  const inputs = new Map<string, Tensor>();
  wanted.forEach((operand, i) => {
    const value = rest[i];
    if (value === undefined || value === null) {
      if (!operand.optional) throw refuse(`${operand.name} is missing`);
    } else if (!(value instanceof Tensor)) {
      throw refuse(`${operand.name} is not a tensor`);
    } else if (value.device !== device) {
      throw refuse(`${operand.name} belongs to another device`);
    } else {
      inputs.set(operand.name, value);
    }
  });

  const control: NativeControl = {
    step: 0,
    sampleOffset: 0,
    seed: 0,
    learningRate: 0,
    lossScale: 1,
  };
  const own: Options = {};
  for (const [field, value] of Object.entries(options)) {
    if (!isControlField(field)) own[field] = value;
    else if (typeof value === 'number') control[field] = value;
    else if (value !== undefined) throw refuse(`${field} is not a number`);
  }
  return { inputs, options: own, control };
}

function isControlField(name: string): name is keyof NativeControl {
  return (controlFields as readonly string[]).includes(name);
}

function isOptions(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && !(value instanceof Tensor);
}

function plannedOf(name: string, { shape, dtype, size }: Tensor): Planned {
  return {
    storage: { id: 0, name, dtype, category: 'activations', fixed: size, perImage: 0 },
    shape,
    batched: false,
    dtype,
    pitch: shape.at(-1) ?? 1,
    offset: 0,
  };
}
