// Runs single ops on the native device: packs operands with gaps and guard bands around them, and tells
// when an op wrote where it must not.
import type {
  NativeAddon,
  NativeBuffer,
  NativeDevice,
  NativeInstruction,
  NativeRunResult,
  NativeOp,
  NativeOperand,
} from '../../typings/native.js';
import { addon } from '../../lib/runtime/addon.js';
import { findOp, type Operands, type TargetDevice } from '../../lib/program/op.js';
import { bytesOf, type Access, type DType } from '../../lib/program/program.js';
import type { Tensor } from '../../lib/program/tensor.js';
import {
  elementsOver,
  nativeDTypes,
  toElements,
  type Elements,
} from '../../lib/runtime/elements.js';
import { computeType, fromHalf, isHalf, toHalf } from '../../lib/program/half.js';
import {
  elements,
  inputsOf,
  isBatched,
  previousOf,
  type Compute,
  type Precision,
  type Rounding,
  type ControlValues,
  type Numbers,
  type OpCase,
  type Operand,
} from './cases.js';

export const native: NativeAddon = addon();
export const nativeOps: ReadonlyMap<string, NativeOp> = new Map(
  native.describeOps().map((op) => [op.name, op]),
);
const numbers = new Map(native.describeOps().map((op, i) => [op.name, i]));

const accesses: Record<Access, 1 | 2 | 3> = { read: 1, overwrite: 2, accumulate: 3 };

/** Numbers to be stored as `dtype`; those of 16 bits are float32 until they are packed. */
function staged(dtype: DType, length: number): Elements {
  return toElements(isHalf(dtype) ? 'float32' : dtype, { length }).fill(0);
}

/** The same, as device memory holds them. */
function packed(dtype: DType, numbers: Elements): Elements {
  return isHalf(dtype) ? toHalf(dtype, numbers) : numbers;
}

/** `count` numbers as device memory holds them. */
function memoryOf(dtype: DType, contents: Numbers, count: number): Elements {
  const numbers = staged(dtype, count);
  for (let i = 0; i < count; ++i) numbers[i] = contents[i]!;
  return packed(dtype, numbers);
}

/** Device memory as numbers. */
function unpacked(dtype: DType, bytes: ArrayBuffer): Elements {
  return isHalf(dtype) ? fromHalf(dtype, new Uint16Array(bytes)) : elementsOver(dtype, bytes);
}

/** What an op is given: dense contents, and where they are to lie. */
export interface Given extends Omit<Operand, 'dtype'> {
  contents: Numbers;
  dtype: DType;
  access: Access;
  /** The name of an earlier operand whose memory this one shares. */
  over?: string;
}

/** Marks elements that no op may touch. */
const gap = (dtype: DType): number => (dtype === 'uint8' ? 171 : 12345);
/** What overwritten outputs hold before. */
const poison = (dtype: DType): number => (dtype === 'uint8' ? 254 : dtype === 'int32' ? -77 : NaN);

const guard = 64;
const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

interface Layout {
  /** Bytes from the start of the buffer to the wider volume, guard band excluded. */
  offset: number;
  /** Elements and bytes of the wider volume. */
  total: number;
  bytes: number;
  pitch: number;
  channels: number;
  channelOffset: number;
}

/** Packs the attributes of an op as its header lists them; those that are left out are zero. */
export function packAttributes(
  op: NativeOp,
  attributes: Readonly<Record<string, number | bigint>>,
): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(op.attributesSize));
  for (const { name, type, offset } of op.attributes) {
    const value = attributes[name] ?? 0;
    if (type === 'int32') bytes.setInt32(offset, Number(value), true);
    else if (type === 'float32') bytes.setFloat32(offset, Number(value), true);
    else bytes.setBigInt64(offset, BigInt(value), true);
  }
  return new Uint8Array(bytes.buffer);
}

/** Elements of one view, gathered from the memory of its wider volume. */
function dense(memory: Elements, layout: Layout, count: number): Elements {
  const { pitch, channels, channelOffset } = layout;
  if (pitch === channels) return memory.slice(0, count);
  const out = memory.slice(0, count);
  for (let i = 0; i < count; ++i)
    out[i] = memory[Math.floor(i / channels) * pitch + channelOffset + (i % channels)]!;
  return out;
}

/** Every operand in an allocation of its own, where AddressSanitizer sees its end. */
const apart = process.env.STRIATE_TEST_APART === '1';

/** Operands on the device. */
interface Placed {
  at(layout: Layout): { buffer: NativeBuffer; byteOffset: number };
  /** All of it, where the image has it. */
  read(): Promise<ArrayBuffer>;
  dispose(): void;
}

export class Runner {
  private constructor(
    readonly device: NativeDevice,
    readonly instructionSet: string,
    readonly target: TargetDevice,
    private memory: NativeBuffer,
  ) {}

  private kept: NativeBuffer | undefined;

  static open({ instructionSet = 'best', threads = 2 } = {}): Runner {
    const device = native.createDevice({ kind: 'cpu', threads, instructionSet, memoryLimit: 0 });
    return Runner.over(device, 'cpu');
  }

  /** A device in a library of its own, by the library's path. */
  static openPlugin(path: string): Runner {
    const device = native.createDevice({ kind: 'plugin', path, index: 0, memoryLimit: 0 });
    return Runner.over(device, 'cuda');
  }

  private static over(device: NativeDevice, target: TargetDevice): Runner {
    const memory = device.allocate(2 ** 20, 'workspace');
    return new Runner(device, device.info().instructionSet, target, memory);
  }

  async close(): Promise<void> {
    this.memory.dispose();
    this.kept?.dispose();
    await this.device.close();
  }

  /**
   * Runs an op. Operands are given by name; optional ones may be left out. Returns the dense contents of
   * every output; throws when anything beside them was changed.
   */
  async run(
    name: string,
    attributes: Readonly<Record<string, number | bigint>>,
    given: Readonly<Record<string, Given>>,
    control: ControlValues = {},
  ): Promise<Record<string, Elements>> {
    const op = nativeOps.get(name);
    if (op === undefined) throw new Error(`no native op ${name}`);
    const layouts = new Map<string, Layout>();
    // The emulator checks accesses by itself: no marks are needed around so large a thing.
    const { workspace, ...composed } = given;
    const scratch =
      this.target === 'cpu' || workspace === undefined ? undefined : this.scratch(workspace);
    const image = this.compose(op, scratch === undefined ? given : composed, layouts);
    const memory = apart
      ? this.scattered(image, [...new Set(layouts.values())])
      : this.whole(image);
    const operands = op.operands.map(({ name }): NativeOperand | null => {
      const operand = given[name];
      const layout = layouts.get(name);
      if (name === 'workspace' && scratch !== undefined) return scratch;
      if (operand === undefined || layout === undefined) return null;
      const { buffer, byteOffset } = memory.at(layout);
      return {
        buffer,
        byteOffset: byteOffset + layout.channelOffset * bytesOf[operand.dtype],
        dtype: nativeDTypes[operand.dtype],
        access: accesses[operand.access],
        size: [...operand.shape],
        pitch: layout.pitch,
      };
    });
    const values = { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1, ...control };
    try {
      const bytes = packAttributes(op, attributes);
      const executed = this.device.execute(numbers.get(name)!, bytes, operands, values);
      const [, after] = await Promise.all([executed, memory.read()]);
      return this.collect(op, given, layouts, image, after);
    } finally {
      memory.dispose();
    }
  }

  /** A workspace in memory of its own, which is kept: a new one would be filled first. */
  private scratch({ shape, dtype, access }: Given): NativeOperand {
    const bytes = shape[0]!;
    if (this.kept === undefined || this.kept.byteLength < bytes) {
      this.kept?.dispose();
      this.kept = this.device.allocate(bytes, 'workspace');
    }
    return {
      buffer: this.kept,
      byteOffset: 0,
      dtype: nativeDTypes[dtype],
      access: accesses[access],
      size: [bytes],
      pitch: bytes,
    };
  }

  /** All operands in one buffer, as the image says. */
  private whole(image: ArrayBuffer): Placed {
    void this.memory.write(0, new Uint8Array(image));
    return {
      at: ({ offset }) => ({ buffer: this.memory, byteOffset: offset }),
      read: () => this.memory.read(0, image.byteLength),
      dispose: () => undefined,
    };
  }

  /** Each operand in an allocation of its own, at its very end. */
  private scattered(image: ArrayBuffer, layouts: readonly Layout[]): Placed {
    const buffers = new Map(
      layouts.map((layout) => {
        const byteOffset = align(layout.bytes) - layout.bytes;
        const buffer = this.device.allocate(align(layout.bytes), 'workspace');
        void buffer.write(byteOffset, new Uint8Array(image, layout.offset, layout.bytes));
        return [layout, { buffer, byteOffset }] as const;
      }),
    );
    return {
      at: (layout) => buffers.get(layout)!,
      read: async () => {
        const after = new Uint8Array(image.slice(0));
        for (const [{ offset, bytes }, { buffer, byteOffset }] of buffers)
          after.set(new Uint8Array(await buffer.read(byteOffset, bytes)), offset);
        return after.buffer;
      },
      dispose: () => {
        for (const { buffer } of buffers.values()) buffer.dispose();
      },
    };
  }

  /** The memory before the op: contents in wide volumes full of marks, guard bands between. */
  private compose(
    op: NativeOp,
    given: Readonly<Record<string, Given>>,
    layouts: Map<string, Layout>,
  ): ArrayBuffer {
    let end = 0;
    const present = op.operands.filter(({ name }) => given[name] !== undefined);
    for (const { name } of present) {
      const { shape, dtype, pitch, channelOffset = 0, over } = given[name]!;
      if (over !== undefined && layouts.has(over)) {
        layouts.set(name, layouts.get(over)!);
        continue;
      }
      const channels = shape.at(-1) ?? 1;
      const wide = pitch ?? channels;
      const total = (elements(shape) / channels) * wide;
      const offset = end + guard;
      const bytes = total * bytesOf[dtype];
      layouts.set(name, { offset, total, bytes, pitch: wide, channels, channelOffset });
      end = align(offset + bytes + guard);
    }
    if (end > this.memory.byteLength) {
      this.memory.dispose();
      this.memory = this.device.allocate(end, 'workspace');
    }
    const image = new ArrayBuffer(end);
    new Uint8Array(image).fill(0xa5);
    for (const { name } of present) {
      const { contents, dtype, shape, over } = given[name]!;
      if (over !== undefined && layouts.get(name) === layouts.get(over)) continue;
      const { offset, total, pitch, channels, channelOffset } = layouts.get(name)!;
      const memory = staged(dtype, total).fill(gap(dtype));
      const count = elements(shape);
      if (pitch === channels) for (let i = 0; i < count; ++i) memory[i] = contents[i]!;
      else
        for (let i = 0; i < count; ++i)
          memory[Math.floor(i / channels) * pitch + channelOffset + (i % channels)] = contents[i]!;
      new Uint8Array(image).set(new Uint8Array(packed(dtype, memory).buffer), offset);
    }
    return image;
  }

  private collect(
    op: NativeOp,
    given: Readonly<Record<string, Given>>,
    layouts: Map<string, Layout>,
    before: ArrayBuffer,
    after: ArrayBuffer,
  ): Record<string, Elements> {
    const results: Record<string, Elements> = {};
    const expected = new Uint8Array(before);
    const found = new Uint8Array(after);
    for (const { name, role } of op.operands) {
      const operand = given[name];
      const layout = layouts.get(name);
      if (role === 'in' || operand === undefined || layout === undefined) continue;
      const { shape, dtype } = operand;
      const size = bytesOf[dtype];
      const memory = unpacked(
        dtype,
        after.slice(layout.offset, layout.offset + layout.total * size),
      );
      results[name] = dense(memory, layout, elements(shape));
      // Every byte outside the view must be what it was: make the view itself equal, compare the rest.
      for (let pixel = 0; pixel < layout.total / layout.pitch; ++pixel) {
        const begin = layout.offset + (pixel * layout.pitch + layout.channelOffset) * size;
        found.copyWithin(begin, begin, begin);
        expected.set(found.subarray(begin, begin + layout.channels * size), begin);
      }
    }
    if (Buffer.compare(expected, found) !== 0) {
      const at = expected.findIndex((byte, i) => byte !== found[i]);
      const inside = [...layouts].find(
        ([name, l]) => at < l.offset + l.total * bytesOf[given[name]!.dtype] + guard,
      );
      throw new Error(
        `${op.name} wrote outside its outputs, in or near ${inside?.[0] ?? '?'} (byte ${at})`,
      );
    }
    return results;
  }
}

/** The compiler's view of an operand, for `workspace()`. */
function tensorOf(name: string, given: Given): Tensor {
  const batched = isBatched(name, given.shape);
  const shape = batched ? given.shape.slice(1) : [...given.shape];
  const count = elements(shape);
  return {
    storage: {
      id: 0,
      name,
      dtype: given.dtype,
      category: 'activations',
      fixed: batched ? 0 : count,
      perImage: batched ? count : 0,
    },
    shape,
    batched,
    dtype: given.dtype,
    pitch: given.pitch ?? given.shape.at(-1) ?? 1,
    offset: given.channelOffset ?? 0,
  };
}

/** Bytes of the op's workspace by the TypeScript twin. */
export function workspaceBytes(
  name: string,
  attributes: Readonly<Record<string, number | bigint>>,
  given: Readonly<Record<string, Given>>,
  compute: Compute,
  device: TargetDevice = 'cpu',
): number {
  const definition = findOp(name);
  if (definition?.workspace === undefined) return 0;
  const operands: Operands = Object.fromEntries(
    Object.entries(given).map(([n, g]) => [n, tensorOf(n, g)]),
  );
  const n = Object.entries(given).find(([n, g]) => isBatched(n, g.shape))?.[1].shape[0] ?? 0;
  const plan = { device, batch: n };
  const { fixed, perImage } = definition.workspace({ ...attributes }, operands, compute, plan);
  return fixed + perImage * n;
}

/** Adds the operand `workspace`, as many bytes as the TypeScript twin says. */
export function withWorkspace(
  name: string,
  attributes: Readonly<Record<string, number | bigint>>,
  given: Readonly<Record<string, Given>>,
  compute: Compute,
  device: TargetDevice = 'cpu',
): Record<string, Given> {
  const bytes = workspaceBytes(name, attributes, given, compute, device);
  if (bytes === 0) return { ...given };
  const contents = device === 'cpu' ? new Uint8Array(bytes).fill(0xff) : new Uint8Array(0);
  return { ...given, workspace: { shape: [bytes], contents, dtype: 'uint8', access: 'overwrite' } };
}

/** Shape and place of an operand, without its contents. */
const placeOf = ({ shape, pitch, channelOffset }: Operand): Omit<Operand, 'dtype'> => ({
  shape,
  ...(pitch !== undefined && { pitch }),
  ...(channelOffset !== undefined && { channelOffset }),
});

/** What an operand of a case is stored as: volumes in the precision, what an op keeps in full is not. */
export function storedAs(op: string, c: OpCase, name: string, precision: Precision): DType {
  const dtype = (c.inputs[name] ?? c.outputs[name])?.dtype;
  const element = nativeOps.get(op)!.operands.find((o) => o.name === name)?.element ?? 'storage';
  return dtype ?? (element === 'storage' ? precision : computeType(precision));
}

/** How the numbers of a case are rounded: to what they are stored as. */
export function roundingOf(op: string, c: OpCase, precision: Precision): Rounding {
  return (name, numbers) => {
    const dtype = storedAs(op, c, name, precision);
    if (!isHalf(dtype)) return numbers;
    return fromHalf(dtype, toHalf(dtype, numbers));
  };
}

/**
 * The operands of a case, those that an op keeps in full in the type it computes with. `access` replaces
 * what the case says of all outputs.
 */
export function operandsOf(
  op: string,
  c: OpCase,
  precision: Precision,
  access?: Exclude<Access, 'read'>,
  device: TargetDevice = 'cpu',
): Record<string, Given> {
  const names = new Set(nativeOps.get(op)!.operands.map((operand) => operand.name));
  const given: Record<string, Given> = {};
  const round = roundingOf(op, c, precision);
  const inputs = inputsOf(op, c, round);
  for (const [name, input] of Object.entries(c.inputs))
    if (names.has(name))
      given[name] = {
        ...placeOf(input),
        contents: inputs[name]!,
        dtype: storedAs(op, c, name, precision),
        access: 'read',
      };
  for (const [name, output] of Object.entries(c.outputs)) {
    const dtype = storedAs(op, c, name, precision);
    const how = access ?? (output.accumulate ? 'accumulate' : 'overwrite');
    const contents =
      how === 'accumulate'
        ? previousOf(op, c, name, round)
        : new Float64Array(elements(output.shape)).fill(poison(dtype));
    given[name] = { ...placeOf(output), contents, dtype, access: how };
  }
  return withWorkspace(op, c.attributes, given, computeType(precision), device);
}

/** Runs a case and returns its outputs, dense. An op without outputs gives the commit flag. */
export async function runCase(
  runner: Runner,
  op: string,
  c: OpCase,
  precision: Precision,
  access?: Exclude<Access, 'read'>,
): Promise<Record<string, Numbers>> {
  const given = operandsOf(op, c, precision, access, runner.target);
  if (nativeOps.get(op)!.operands.every(({ role }) => role === 'in')) {
    const program = new OpProgram(runner.device, given);
    program.add(
      op,
      c.attributes,
      Object.fromEntries(Object.keys(given).map((name) => [name, name])),
    );
    const { committed } = await program.run();
    program.dispose();
    return { commit: [committed ? 1 : 0] };
  }
  const outputs = await runner.run(op, c.attributes, given, c.control);
  delete outputs.workspace;
  return outputs;
}

/** A few instructions over named buffers, run as one step. Instructions agree with the buffers' access. */
export class OpProgram {
  private readonly buffers: ReadonlyMap<string, { given: Given; buffer: NativeBuffer }>;
  private readonly instructions: NativeInstruction[] = [];

  constructor(
    private readonly device: NativeDevice,
    buffers: Readonly<Record<string, Given>>,
  ) {
    this.buffers = new Map(
      Object.entries(buffers).map(([name, given]) => {
        const memory = memoryOf(given.dtype, given.contents, elements(given.shape));
        const buffer = device.allocate(memory.byteLength, 'workspace');
        void buffer.write(0, memory);
        return [name, { given, buffer }];
      }),
    );
  }

  /** Operands by name: the name of a buffer each. */
  add(
    op: string,
    attributes: Readonly<Record<string, number | bigint>>,
    operands: Readonly<Record<string, string>>,
  ): void {
    const description = nativeOps.get(op)!;
    const names = [...this.buffers.keys()];
    this.instructions.push({
      op: numbers.get(op)!,
      attributes: packAttributes(description, attributes),
      operands: description.operands.map(({ name, role }) => {
        const target = operands[name];
        if (target === undefined) return null;
        const { shape, dtype, access } = this.buffers.get(target)!.given;
        return {
          region: names.indexOf(target),
          byteOffset: 0,
          dtype: nativeDTypes[dtype],
          access: role === 'in' ? accesses.read : accesses[access],
          size: [...shape],
          batched: false,
          pitch: shape.at(-1) ?? 1,
        };
      }),
      label: op,
    });
  }

  async run(control: ControlValues = {}): Promise<NativeRunResult> {
    const executable = this.device.createExecutable({
      batch: 1,
      regions: [...this.buffers.values()].map(({ buffer }) => buffer),
      inputRegion: -1,
      slots: null,
      instructions: this.instructions,
      inputs: [],
      outputs: [],
    });
    const result = await executable.run({
      n: 1,
      slot: 0,
      begin: 0,
      end: this.instructions.length,
      control: { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1, ...control },
      outputs: [],
      timing: false,
    });
    executable.dispose();
    return result;
  }

  async write(name: string, contents: Numbers): Promise<void> {
    const { given, buffer } = this.buffers.get(name)!;
    const memory = memoryOf(given.dtype, contents, contents.length);
    await buffer.write(0, memory);
  }

  async read(name: string): Promise<Elements> {
    const { given, buffer } = this.buffers.get(name)!;
    return unpacked(given.dtype, await buffer.read(0, buffer.byteLength));
  }

  dispose(): void {
    for (const { buffer } of this.buffers.values()) buffer.dispose();
  }
}
