import type {
  NativeBuffer,
  NativeControl,
  NativeExecutable,
  NativeExecutableDescription,
  NativePlannedOperand,
} from '../../typings/native.js';
import { StriateError } from '../errors.js';
import {
  bytesOf,
  regions,
  type Program,
  type ProgramInstruction,
  type ProgramOperand,
  type ProgramPort,
  type Region,
} from '../program/program.js';
import type { Device } from './device.js';
import { dtypeOf, elementsOver, nativeAccesses, nativeDTypes, type Elements } from './elements.js';
import { native, nativeAsync } from './errors.js';
import { nativeOp, packAttributes } from './native-ops.js';
import { explainOutOfMemory } from './out-of-memory.js';

/** Memory that outlives the executable and may be shared with others: slabs, or an arena. */
export type SharedMemory = Readonly<Partial<Record<Region, NativeBuffer | null>>>;

export interface RunOptions {
  /** Images of this batch, from 1 to the planned number. */
  n: number;
  /** The staging slot that holds the inputs; default 0. */
  slot?: 0 | 1;
  /** Part of the program; default all of it. `gradients` is forward and backward. */
  range?: 'forward' | 'backward' | 'gradients' | 'update';
  /** What changes from step to step; what is left out is 0, `lossScale` 1. */
  control?: Partial<NativeControl>;
  /** Names of the outputs to return; default all. */
  outputs?: readonly string[];
  /** Measure each instruction; default false. */
  timing?: boolean;
}

export interface RunResult {
  outputs: Record<string, Elements>;
  /** False when a loss or gradient was not finite: nothing was changed. */
  committed: boolean;
  /** Seconds on the device's queue. */
  seconds: number;
  /** Seconds by instruction of the range; only with `timing`. */
  times?: number[];
}

/**
 * A program on a device: its own arena, constants and two staging slots, the given slabs. Runs are
 * ordered, and allocate nothing on the device.
 */
export class Executable {
  readonly program: Program;
  readonly #native: NativeExecutable;
  /** Bytes that it allocated itself, by region. */
  readonly allocated: Readonly<Partial<Record<Region, number>>>;
  readonly #owned: readonly NativeBuffer[];
  readonly #inputs: ReadonlyMap<string, number>;
  readonly #outputs: ReadonlyMap<string, number>;

  readonly #constants: Promise<unknown>;

  /**
   * Makes a program ready to run. `shared` names memory by region; what it lacks is allocated here and
   * freed by `dispose()`.
   *
   * @throws StriateError OUT_OF_DEVICE_MEMORY; INVALID_ARGUMENT for memory that is too small or a
   * program that is not in order.
   */
  constructor(device: Device, program: Program, shared: SharedMemory = {}) {
    this.program = program;
    this.#inputs = new Map(program.inputs.map(({ name }, i) => [name, i]));
    this.#outputs = new Map(program.outputs.map(({ name }, i) => [name, i]));
    const owned: NativeBuffer[] = [];
    const allocated: Partial<Record<Region, number>> = {};
    const allocate = (region: Region): NativeBuffer => {
      const buffer = native(() => device.native.allocate(program.bytes[region], region));
      owned.push(buffer);
      allocated[region] = (allocated[region] ?? 0) + buffer.byteLength;
      return buffer;
    };
    try {
      const memory = regions.map((region): NativeBuffer | null => {
        if (region === 'input' || program.bytes[region] === 0) return null;
        return requireSize(shared[region] ?? allocate(region), region, program);
      });
      const slots: [NativeBuffer, NativeBuffer] | null =
        program.bytes.input === 0 ? null : [allocate('input'), allocate('input')];
      this.#constants = uploadConstants(program, memory[regions.indexOf('constants')] ?? null);
      const description = describe(program, memory, slots);
      this.#native = native(() => device.native.createExecutable(description));
    } catch (error) {
      for (const buffer of owned) buffer.dispose();
      const given = Object.values(shared).reduce(
        (sum, buffer) => sum + (buffer?.byteLength ?? 0),
        0,
      );
      throw explainOutOfMemory(error, device, program, given);
    }
    this.#owned = owned;
    this.allocated = allocated;
  }

  /**
   * Copies inputs of a batch, by name, into a staging slot; the slot may not be in use by a queued step.
   *
   * @throws StriateError BUSY, or INVALID_ARGUMENT for a wrong element type or length.
   */
  stage(slot: 0 | 1, inputs: Readonly<Record<string, Elements>>): void {
    for (const [name, source] of Object.entries(inputs)) this.#stageOne(slot, name, source);
  }

  #stageOne(slot: 0 | 1, input: string, source: Elements): void {
    const number = this.#inputs.get(input);
    const port = number === undefined ? undefined : this.program.inputs[number];
    if (number === undefined || port === undefined) throw unknownPort('input', input, this.#inputs);
    const dtype = dtypeOf(source, port.dtype);
    if (dtype !== port.dtype) {
      throw new StriateError(
        'INVALID_ARGUMENT',
        `${input} is ${dtype ?? source.constructor.name}, the program takes ${port.dtype}`,
        { remedy: 'Convert the data, or compile the program for its element type.' },
      );
    }
    native(() => this.#native.stage(slot, number, source));
  }

  /**
   * Queues one run; resolves when it has ended.
   *
   * @throws StriateError DISPOSED, INVALID_ARGUMENT, DEVICE_ERROR
   */
  async run(options: RunOptions): Promise<RunResult> {
    const { n, slot = 0, range, control, timing = false } = options;
    const names = options.outputs ?? [...this.#outputs.keys()];
    const numbers = names.map((name) => {
      const number = this.#outputs.get(name);
      if (number === undefined) throw unknownPort('output', name, this.#outputs);
      return number;
    });
    const [begin, end] = this.#instructionsOf(range);
    const result = await nativeAsync(() =>
      this.#native.run({
        n,
        slot,
        begin,
        end,
        control: { step: 0, sampleOffset: 0, seed: 0, learningRate: 0, lossScale: 1, ...control },
        outputs: numbers,
        timing,
      }),
    );
    await nativeAsync(() => this.#constants);
    const outputs: Record<string, Elements> = {};
    result.outputs.forEach((bytes, i) => {
      outputs[names[i]!] = elementsOver(this.program.outputs[numbers[i]!]!.dtype, bytes);
    });
    return {
      outputs,
      committed: result.committed,
      seconds: result.elapsed / 1e9,
      ...(result.times === undefined ? {} : { times: Array.from(result.times, (t) => t / 1e9) }),
    };
  }

  #instructionsOf(range: RunOptions['range']): readonly [begin: number, end: number] {
    const { instructions, ranges } = this.program;
    if (range === undefined) return [0, instructions.length];
    return range === 'gradients' ? [ranges.forward[0], ranges.backward[1]] : ranges[range];
  }

  /** Frees what the executable owns when the runs queued before have ended. Twice is harmless. */
  dispose(): void {
    this.#native.dispose();
    for (const buffer of this.#owned) buffer.dispose();
  }
}

function requireSize(buffer: NativeBuffer, region: Region, program: Program): NativeBuffer {
  if (buffer.byteLength >= program.bytes[region]) return buffer;
  throw new StriateError(
    'INVALID_ARGUMENT',
    `the program needs ${program.bytes[region]} bytes of ${region}, the memory has ${buffer.byteLength}`,
    { remedy: 'Give the memory of the program whose layout this one was compiled with.' },
  );
}

/** Queued before any run; a failure shows in the first one. */
function uploadConstants(program: Program, memory: NativeBuffer | null): Promise<unknown> {
  const writes: Promise<void>[] = [];
  for (const { offset, data } of program.constants) {
    const bytes = Buffer.from(data, 'base64');
    if (memory !== null && bytes.length > 0) writes.push(native(() => memory.write(offset, bytes)));
  }
  const all = Promise.all(writes);
  all.catch(() => undefined);
  return all;
}

/** The program as the addon takes it: ops by number, attributes packed, offsets in bytes. */
function describe(
  program: Program,
  memory: (NativeBuffer | null)[],
  slots: [NativeBuffer, NativeBuffer] | null,
): NativeExecutableDescription {
  const buffer = (number: number): Program['buffers'][number] => {
    const found = program.buffers[number];
    if (found !== undefined) return found;
    throw new StriateError('INVALID_ARGUMENT', `the program has no buffer ${number}`, {
      remedy: 'Run programs as the compiler makes them.',
    });
  };
  const operand = (o: ProgramOperand): NativePlannedOperand => {
    const { region, offset, dtype } = buffer(o.buffer);
    return {
      region: regions.indexOf(region),
      byteOffset: offset + o.offset * bytesOf[dtype],
      dtype: nativeDTypes[dtype],
      access: nativeAccesses[o.access],
      size: o.shape,
      batched: o.batched,
      pitch: o.pitch,
    };
  };
  const instruction = (
    i: ProgramInstruction,
  ): NativeExecutableDescription['instructions'][number] => {
    const op = nativeOp(i.op);
    return {
      op: op.number,
      attributes: packAttributes(op, i.attributes),
      operands: i.operands.map((o) => (o === null ? null : operand(o))),
      label: i.layer === '' ? i.op : `${i.layer} ${i.op}`,
    };
  };
  const port = ({ buffer: number }: ProgramPort) => {
    const { region, offset, dtype, fixed, perImage } = buffer(number);
    const bytes = bytesOf[dtype];
    return {
      region: regions.indexOf(region),
      byteOffset: offset,
      fixed: fixed * bytes,
      perImage: perImage * bytes,
    };
  };
  return {
    batch: program.batch,
    regions: memory,
    inputRegion: slots === null ? -1 : regions.indexOf('input'),
    slots,
    instructions: program.instructions.map(instruction),
    inputs: program.inputs.map(port),
    outputs: program.outputs.map(port),
  };
}

function unknownPort(kind: string, name: string, known: ReadonlyMap<string, number>): StriateError {
  return new StriateError('INVALID_ARGUMENT', `the program has no ${kind} ${name}`, {
    remedy: `It has ${[...known.keys()].join(', ') || 'none'}.`,
  });
}
