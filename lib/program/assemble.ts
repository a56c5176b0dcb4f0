import { align, assignOffsets, isolateOffsets } from './arena.js';
import type { Builder, Port } from './builder.js';
import { lifetimesOf } from './liveness.js';
import {
  bytesOf,
  type Program,
  type ProgramBuffer,
  type ProgramInstruction,
  type ProgramOperand,
  type ProgramPort,
  type Region,
} from './program.js';
import type { Layout } from './slabs.js';
import type { Step, TapeOperand } from './tape.js';
import type { Storage } from './tensor.js';

export interface AssembleOptions {
  kind: Program['kind'];
  layout: Layout;
  slots: readonly string[];
  /** No two buffers share memory, at any time. */
  isolate: boolean;
}

/** Places every buffer and writes the program down as plain data. */
export function assemble(
  builder: Builder,
  steps: readonly Step[],
  { kind, layout, slots, isolate }: AssembleOptions,
): Program {
  const ranges = rangesOf(steps);
  const keepUntil = kind === 'external' ? Math.max(0, ranges.forward[1] - 1) : steps.length - 1;
  const lifetimes = lifetimesOf(
    steps,
    [...builder.inputs, ...builder.outputs],
    Math.max(0, keepUntil),
  );
  const storages = [...lifetimes.keys()];
  const sizeOf = (s: Storage): number => (s.fixed + s.perImage * builder.batch) * bytesOf[s.dtype];

  const isTransient = (s: Storage): boolean => s.region === undefined;
  const transient = storages.filter(isTransient);
  const blocks = transient.map((s) => ({ bytes: sizeOf(s), ...lifetimes.get(s)! }));
  const arena = isolate ? isolateOffsets(blocks) : assignOffsets(blocks);
  const offsets = new Map<Storage, number>(transient.map((s, i) => [s, arena.offsets[i]!]));
  const inputs = inOrder(
    storages.filter((s) => s.region === 'input'),
    sizeOf,
    offsets,
  );
  const constants = inOrder(
    storages.filter((s) => s.region === 'constants'),
    sizeOf,
    offsets,
  );

  const bytes: Record<Region, number> = {
    parameters: layout.bytes.parameters,
    gradients: kind === 'train' || kind === 'external' ? layout.bytes.gradients : 0,
    optimizer: slots.length * layout.bytes.gradients,
    state: layout.bytes.state,
    constants,
    arena: arena.bytes,
    input: inputs,
  };
  const slotOf = (s: Storage): number => slots.findIndex((name) => s.name === `optimizer/${name}`);
  const buffers = storages.map((s): ProgramBuffer => {
    const region = s.region ?? 'arena';
    const offset =
      region === 'optimizer' ? slotOf(s) * layout.bytes.gradients : (offsets.get(s) ?? 0);
    const { name, dtype, category, fixed, perImage } = s;
    return {
      name,
      dtype,
      category,
      region,
      offset,
      fixed,
      perImage,
      bytes: sizeOf(s),
      ...lifetimes.get(s)!,
    };
  });
  const numbers = new Map(storages.map((s, i) => [s, i]));
  return {
    version: 1,
    kind,
    ...(builder.accumulates && { accumulates: true as const }),
    batch: builder.batch,
    dtype: builder.dtype,
    buffers,
    instructions: steps.map((step) => instructionOf(step, numbers)),
    parameters: layout.parameters.map((p) => ({ ...p, shape: [...p.shape] })),
    slots: [...slots],
    inputs: builder.inputs.map((port) => portOf(port, numbers)),
    outputs: builder.outputs.map((port) => portOf(port, numbers)),
    bytes,
    constants: [...builder.constants]
      .filter(([s]) => offsets.has(s))
      .map(([s, data]) => ({
        offset: offsets.get(s)!,
        data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
      })),
    ranges,
  };
}

/** One after the other; returns the bytes of all. */
function inOrder(
  storages: readonly Storage[],
  sizeOf: (s: Storage) => number,
  offsets: Map<Storage, number>,
): number {
  let end = 0;
  for (const s of storages) {
    offsets.set(s, end);
    end += align(sizeOf(s));
  }
  return end;
}

function rangesOf(steps: readonly Step[]): Program['ranges'] {
  const end = (test: (step: Step) => boolean): number => {
    const i = steps.findIndex((step) => !test(step));
    return i < 0 ? steps.length : i;
  };
  const forward = end((s) => s.phase === 'forward');
  const backward = end((s) => s.phase === 'forward' || s.phase === 'backward');
  return { forward: [0, forward], backward: [forward, backward], update: [backward, steps.length] };
}

function instructionOf(step: Step, numbers: ReadonlyMap<Storage, number>): ProgramInstruction {
  const attributes: Record<string, number | string> = {};
  for (const [name, type] of Object.entries(step.op.attributes)) {
    const value = step.attributes[name] ?? 0;
    attributes[name] = type === 'int64' ? BigInt(value).toString() : Number(value);
  }
  return {
    op: step.op.name,
    attributes,
    operands: step.op.operands.map(({ name }) => {
      const operand = step.operands.get(name);
      return operand === undefined ? null : operandOf(operand, numbers);
    }),
    layer: step.layer,
    phase: step.phase,
  };
}

function operandOf(
  { tensor: t, access }: TapeOperand,
  numbers: ReadonlyMap<Storage, number>,
): ProgramOperand {
  return {
    buffer: numbers.get(t.storage)!,
    access,
    shape: t.batched ? [1, ...t.shape] : [...t.shape],
    batched: t.batched,
    offset: t.offset,
    pitch: t.pitch,
  };
}

function portOf({ name, tensor: t }: Port, numbers: ReadonlyMap<Storage, number>): ProgramPort {
  const { dtype, shape, batched } = t;
  return { name, buffer: numbers.get(t.storage)!, dtype, shape: [...shape], batched };
}
