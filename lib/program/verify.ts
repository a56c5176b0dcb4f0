import { FormatError } from '../errors.js';
import { align, alignment } from './arena.js';
import { computeType, isHalf } from './half.js';
import { findOp } from './op.js';
import {
  bytesOf,
  type DType,
  type Phase,
  type Program,
  type ProgramBuffer,
  type ProgramInstruction,
  type ProgramOperand,
  type Region,
} from './program.js';
import { Coverage, spanOf, spansOverlap, type Span } from './spans.js';

export type FaultKind =
  /** A buffer that is not where or as large as it says, or not inside its region. */
  | 'buffer'
  /** Two buffers alive at one time in the same memory. */
  | 'overlap'
  /** A buffer touched outside its lifetime. */
  | 'lifetime'
  /** An unknown op, or operands that do not match its definition. */
  | 'role'
  /** A buffer whose element type is not what the op takes there. */
  | 'type'
  /** A view that leaves its buffer. */
  | 'bounds'
  /** A value read before it was written. */
  | 'unwritten'
  /** An output in the memory of an input where the op does not allow it. */
  | 'alias'
  /** A write to memory that this phase may not change. */
  | 'region'
  /** Instructions out of the order of their phases, or ranges that do not match them. */
  | 'phase'
  /** An input or output of the program that is not what its buffer holds. */
  | 'port';

export interface Fault {
  kind: FaultKind;
  message: string;
  instruction?: number;
  buffer?: number;
}

/**
 * Looks for what a sound program never does, knowing nothing of how it was made: overlap of live
 * buffers, reads before writes, accesses outside a buffer, roles other than the op's, in-place where
 * it is not allowed, writes to what a phase may not change.
 */
export function verify(program: Program): Fault[] {
  const faults: Fault[] = [];
  checkBuffers(program, faults);
  checkOverlaps(program, faults);
  checkPhases(program, faults);
  program.instructions.forEach((instruction, i) => {
    checkRoles(instruction, i, faults);
    checkTypes(program, instruction, i, faults);
    checkViews(program, instruction, i, faults);
    checkAliases(program, instruction, i, faults);
    checkRegions(program, instruction, i, faults);
  });
  // What follows walks through the views: they must lie inside their buffers.
  if (faults.some((f) => f.kind === 'bounds' || f.kind === 'role')) return faults;
  checkWrites(program, faults);
  checkPorts(program, faults);
  return faults;
}

/** @throws FormatError naming the first fault. */
export function assertSound(program: Program): void {
  const faults = verify(program);
  const [first] = faults;
  if (first === undefined) return;
  throw new FormatError(`the program is not sound (${faults.length} faults): ${first.message}`, {
    remedy: 'compile the network again; a program that was just compiled is a defect of Striate',
    details: { faults: faults.slice(0, 20) },
  });
}

function labelOf(instruction: ProgramInstruction, i: number): string {
  return `instruction ${i} (${instruction.layer} ${instruction.op})`;
}

function checkBuffers({ buffers, batch, bytes }: Program, faults: Fault[]): void {
  buffers.forEach((b, i) => {
    const wrong = (what: string): void => {
      faults.push({ kind: 'buffer', buffer: i, message: `buffer ${i} (${b.name}) ${what}` });
    };
    if (b.bytes !== (b.fixed + b.perImage * batch) * bytesOf[b.dtype])
      wrong(`has ${b.bytes} bytes, its elements take another number`);
    if (b.offset % alignment !== 0) wrong(`lies at ${b.offset}, not on ${alignment} bytes`);
    if (b.offset + b.bytes > bytes[b.region])
      wrong(`ends at ${b.offset + b.bytes}, region ${b.region} has ${bytes[b.region]} bytes`);
    if (b.first > b.last) wrong(`lives from ${b.first} to ${b.last}`);
  });
}

function checkOverlaps({ buffers }: Program, faults: Fault[]): void {
  const byRegion = new Map<Region, number[]>();
  buffers.forEach((b, i) => {
    const list = byRegion.get(b.region);
    if (list === undefined) byRegion.set(b.region, [i]);
    else list.push(i);
  });
  for (const list of byRegion.values()) {
    let alive: number[] = [];
    for (const i of list.sort((a, b) => buffers[a]!.first - buffers[b]!.first)) {
      const b = buffers[i]!;
      alive = alive.filter((j) => buffers[j]!.last >= b.first);
      for (const j of alive) {
        const other = buffers[j]!;
        if (b.offset < other.offset + other.bytes && other.offset < b.offset + b.bytes)
          faults.push({
            kind: 'overlap',
            buffer: i,
            message: `buffers ${other.name} and ${b.name} share memory while both are alive`,
          });
      }
      alive.push(i);
    }
  }
}

const phaseOrder = { forward: 0, backward: 1, update: 2, commit: 3 };

function checkPhases({ instructions, ranges }: Program, faults: Fault[]): void {
  const { forward, backward, update } = ranges;
  const end = instructions.length;
  if (
    forward[0] !== 0 ||
    forward[1] !== backward[0] ||
    backward[1] !== update[0] ||
    update[1] !== end
  )
    faults.push({
      kind: 'phase',
      message: 'the ranges do not follow one another from start to end',
    });
  let reached = 0;
  instructions.forEach((instruction, i) => {
    const phase = phaseOrder[instruction.phase];
    const [begin, stop] = phase === 0 ? forward : phase === 1 ? backward : update;
    if (phase < reached || i < begin || i >= stop)
      faults.push({
        kind: 'phase',
        instruction: i,
        message: `${labelOf(instruction, i)} stands outside the range of its phase`,
      });
    reached = Math.max(reached, phase);
  });
}

function checkRoles(instruction: ProgramInstruction, i: number, faults: Fault[]): void {
  const wrong = (what: string): void => {
    faults.push({ kind: 'role', instruction: i, message: `${labelOf(instruction, i)}: ${what}` });
  };
  const op = findOp(instruction.op);
  if (op === undefined) {
    wrong('there is no such op');
    return;
  }
  if (instruction.operands.length !== op.operands.length) {
    wrong(`${instruction.operands.length} operands, the op has ${op.operands.length}`);
    return;
  }
  op.operands.forEach(({ name, role, optional }, k) => {
    const operand = instruction.operands[k];
    if (operand === null || operand === undefined) {
      if (!optional) wrong(`operand ${name} is left out`);
    } else if ((operand.access === 'read') !== (role === 'in')) {
      wrong(`operand ${name} is ${operand.access}, the op has it as ${role}`);
    }
  });
  const names = Object.keys(op.attributes);
  if (
    names.some((n) => !(n in instruction.attributes)) ||
    Object.keys(instruction.attributes).length !== names.length
  )
    wrong(
      `attributes are ${Object.keys(instruction.attributes).join(', ')}, the op has ${names.join(', ')}`,
    );
}

/** The operands that are there, with the buffer and the elements that they touch at the planned batch. */
function operandsOf(
  program: Program,
  instruction: ProgramInstruction,
): { operand: ProgramOperand; buffer: ProgramBuffer; span: Span; position: number }[] {
  return instruction.operands.flatMap((operand, position) => {
    const buffer = operand && program.buffers[operand.buffer];
    if (operand === null || buffer === null || buffer === undefined) return [];
    return [{ operand, buffer, span: spanOf(operand, program.batch), position }];
  });
}

/** As native/ops/registry.cpp has it: one type for all of a kind, 16 bits only where volumes lie. */
function checkTypes(
  program: Program,
  instruction: ProgramInstruction,
  i: number,
  faults: Fault[],
): void {
  const specs = findOp(instruction.op)?.operands;
  if (specs === undefined) return;
  const seen: { storage?: DType; compute?: DType } = {};
  const wrong = (name: string, dtype: DType, what: string): void => {
    const message = `${labelOf(instruction, i)}: ${name} is ${dtype}, ${what}`;
    faults.push({ kind: 'type', instruction: i, message });
  };
  for (const { buffer, position } of operandsOf(program, instruction)) {
    const { dtype } = buffer;
    const { name, element = 'storage' } = specs[position] ?? { name: `operand ${position}` };
    if (element === 'other') continue;
    if (element === 'int32' || element === 'bytes') {
      const exact = element === 'int32' ? 'int32' : 'uint8';
      if (dtype !== exact) wrong(name, dtype, `where it must be ${exact}`);
      continue;
    }
    const whole = dtype === 'float32' || dtype === 'float64';
    if (!whole && !(element === 'storage' && isHalf(dtype)))
      wrong(name, dtype, 'where numbers are computed with');
    const first = (seen[element] ??= dtype);
    if (dtype !== first) wrong(name, dtype, `another operand is ${first}`);
  }
  const { storage, compute } = seen;
  if (storage !== undefined && compute !== undefined && compute !== computeType(storage))
    wrong('what is computed with', compute, `the volumes are ${storage}`);
}

function checkViews(
  program: Program,
  instruction: ProgramInstruction,
  i: number,
  faults: Fault[],
): void {
  const label = labelOf(instruction, i);
  for (const operand of instruction.operands)
    if (operand !== null && program.buffers[operand.buffer] === undefined)
      faults.push({
        kind: 'bounds',
        instruction: i,
        message: `${label}: no buffer ${operand.buffer}`,
      });
  for (const { operand, buffer, span } of operandsOf(program, instruction)) {
    const elements = buffer.fixed + buffer.perImage * program.batch;
    if (span.offset < 0 || span.end > elements || (span.rows > 1 && span.width > span.pitch))
      faults.push({
        kind: 'bounds',
        instruction: i,
        buffer: operand.buffer,
        message: `${label}: elements ${span.offset} to ${span.end} of ${buffer.name}, which has ${elements}`,
      });
    if (i < buffer.first || i > buffer.last)
      faults.push({
        kind: 'lifetime',
        instruction: i,
        buffer: operand.buffer,
        message: `${label} touches ${buffer.name}, which lives from ${buffer.first} to ${buffer.last}`,
      });
  }
}

function checkAliases(
  program: Program,
  instruction: ProgramInstruction,
  i: number,
  faults: Fault[],
): void {
  const op = findOp(instruction.op);
  if (op === undefined) return;
  const operands = operandsOf(program, instruction);
  for (const out of operands) {
    if (out.operand.access === 'read') continue;
    for (const other of operands) {
      if (other === out || other.operand.buffer !== out.operand.buffer) continue;
      if (!spansOverlap(out.span, other.span)) continue;
      const [a, b] = [op.operands[out.position]?.name, op.operands[other.position]?.name];
      const allowed =
        other.operand.access === 'read' &&
        out.operand.access === 'overwrite' &&
        (op.inPlace ?? []).some(([y, x]) => y === a && x === b) &&
        out.span.offset === other.span.offset &&
        out.span.end === other.span.end;
      if (!allowed)
        faults.push({
          kind: 'alias',
          instruction: i,
          buffer: out.operand.buffer,
          message: `${labelOf(instruction, i)}: ${a} lies in the memory of ${b}`,
        });
    }
  }
}

/** What each phase may write. */
const writable: Record<ProgramInstruction['phase'], readonly Region[]> = {
  forward: ['arena'],
  backward: ['arena', 'gradients'],
  update: ['arena', 'gradients', 'parameters', 'optimizer'],
  commit: ['state'],
};

/** Passes that accumulate move the running statistics too. */
function mayWrite(program: Program, phase: Phase, region: Region): boolean {
  if (phase === 'backward' && region === 'state') return program.accumulates === true;
  return writable[phase].includes(region);
}

function checkRegions(
  program: Program,
  instruction: ProgramInstruction,
  i: number,
  faults: Fault[],
): void {
  for (const { operand, buffer } of operandsOf(program, instruction))
    if (operand.access !== 'read' && !mayWrite(program, instruction.phase, buffer.region))
      faults.push({
        kind: 'region',
        instruction: i,
        buffer: operand.buffer,
        message: `${labelOf(instruction, i)} writes ${buffer.name} of region ${buffer.region} in phase ${instruction.phase}`,
      });
}

/** Follows the writes: every element that is read (or accumulated into) was written before. */
function checkWrites(program: Program, faults: Fault[]): void {
  const written = program.buffers.map((buffer) => initially(program, buffer));
  program.instructions.forEach((instruction, i) => {
    const operands = operandsOf(program, instruction);
    for (const { operand, buffer, span } of operands)
      if (operand.access !== 'overwrite' && !written[operand.buffer]!.covers(span))
        faults.push({
          kind: 'unwritten',
          instruction: i,
          buffer: operand.buffer,
          message: `${labelOf(instruction, i)} reads ${buffer.name} before it is written`,
        });
    for (const { operand, span } of operands)
      if (operand.access !== 'read') written[operand.buffer]!.add(span);
  });
  for (const port of program.outputs) {
    const span = wholeOf(program.buffers[port.buffer], program.batch);
    if (span !== undefined && !written[port.buffer]!.covers(span))
      faults.push({
        kind: 'unwritten',
        buffer: port.buffer,
        message: `output ${port.name} is never written`,
      });
  }
}

function wholeOf(buffer: ProgramBuffer | undefined, batch: number): Span | undefined {
  if (buffer === undefined) return undefined;
  const elements = buffer.fixed + buffer.perImage * batch;
  return spanOf({ shape: [elements], batched: false, offset: 0, pitch: elements }, batch);
}

/**
 * What holds values before the first instruction: all but the arena and gradients that are overwritten. Between the
 * gradients lies what aligns them: zero from the start, never written.
 */
function initially(program: Program, buffer: ProgramBuffer): Coverage {
  const coverage = new Coverage();
  const add = (begin: number, end: number): void => {
    if (begin < end)
      coverage.add(
        spanOf({ shape: [end - begin], batched: false, offset: begin, pitch: end - begin }, 1),
      );
  };
  const elements = buffer.fixed + buffer.perImage * program.batch;
  if (buffer.region === 'gradients' && program.accumulates !== true) {
    let end = 0;
    for (const p of program.parameters
      .filter((q) => q.trainable)
      .sort((a, b) => a.offset - b.offset)) {
      const begin = (p.offset - buffer.offset) / bytesOf[p.dtype];
      add(end, begin);
      end = begin + p.elements;
    }
    add(end, elements);
  } else if (buffer.region !== 'arena') add(0, elements);
  return coverage;
}

function checkPorts(program: Program, faults: Fault[]): void {
  const { buffers, inputs, outputs, kind, ranges, instructions, bytes, parameters } = program;
  const wrong = (message: string): void => {
    faults.push({ kind: 'port', message });
  };
  const elementsOf = (port: { shape: number[] }): number => port.shape.reduce((a, b) => a * b, 1);
  for (const port of [...inputs, ...outputs]) {
    const buffer = buffers[port.buffer];
    if (buffer === undefined) {
      wrong(`port ${port.name} has no buffer`);
      continue;
    }
    const elements = elementsOf(port);
    const fits = port.batched
      ? buffer.perImage === elements && buffer.fixed === 0
      : buffer.fixed === elements && buffer.perImage === 0;
    if (!fits || buffer.dtype !== port.dtype)
      wrong(`port ${port.name} is not what its buffer holds`);
  }
  for (const port of inputs)
    if (buffers[port.buffer]?.region !== 'input') wrong(`input ${port.name} is not staged`);
  const until = kind === 'external' ? ranges.forward[1] - 1 : instructions.length - 1;
  for (const port of outputs) {
    const buffer = buffers[port.buffer];
    if (buffer !== undefined && buffer.last < until)
      wrong(`output ${port.name} ends before it is read`);
  }
  for (const p of parameters) {
    const size = p.elements * bytesOf[p.dtype];
    if (p.elements !== elementsOf(p) || p.offset % alignment !== 0)
      wrong(`parameter ${p.name} is not where or as large as it says`);
    if (p.offset + align(size) > bytes[p.region])
      wrong(`parameter ${p.name} lies outside its slab`);
  }
}
