import { FormatError } from '../errors.js';
import { findOp, type AttributeType } from './op.js';
import {
  bytesOf,
  regions,
  type Access,
  type Category,
  type DType,
  type Phase,
  type Program,
  type ProgramBuffer,
  type ProgramInstruction,
  type ProgramOperand,
  type ProgramParameter,
  type ProgramPort,
  type Region,
} from './program.js';
import { assertSound } from './verify.js';

/**
 * A program from JSON (text or parsed). Nothing in it is trusted: types, ranges and names are checked,
 * then the whole is verified as a program that was just compiled.
 *
 * @throws FormatError naming the first field that is wrong.
 */
export function parseProgram(json: unknown): Program {
  const o = fields(typeof json === 'string' ? parseText(json) : json, 'program');
  if (o.version !== 1)
    throw wrong(
      'program.version',
      `1 (this build reads no other), not ${JSON.stringify(o.version)}`,
    );
  const program: Program = {
    version: 1,
    kind: oneOf(o.kind, 'program.kind', ['train', 'evaluate', 'infer', 'external'] as const),
    ...(o.accumulates === true && { accumulates: true as const }),
    batch: whole(o.batch, 'program.batch', 1),
    dtype: oneOf(o.dtype, 'program.dtype', ['float32', 'float64'] as const),
    buffers: list(o.buffers, 'program.buffers', readBuffer),
    instructions: list(o.instructions, 'program.instructions', readInstruction),
    parameters: list(o.parameters, 'program.parameters', readParameter),
    slots: list(o.slots, 'program.slots', text),
    inputs: list(o.inputs, 'program.inputs', readPort),
    outputs: list(o.outputs, 'program.outputs', readPort),
    bytes: readBytes(o.bytes),
    constants: list(o.constants, 'program.constants', readConstant),
    ranges: readRanges(o.ranges),
  };
  for (const { offset, data } of program.constants)
    if (offset + Buffer.byteLength(data, 'base64') > program.bytes.constants)
      throw wrong('program.constants', 'inside the region constants');
  assertSound(program);
  return program;
}

const dtypes = Object.keys(bytesOf) as DType[];
const phases: readonly Phase[] = ['forward', 'backward', 'update', 'commit'];
const accesses: readonly Access[] = ['read', 'overwrite', 'accumulate'];
const categories: readonly Category[] = [
  'parameters',
  'gradients',
  'optimizer',
  'state',
  'activations',
  'activationGradients',
  'weightCopies',
  'workspace',
  'input',
];

function readBuffer(value: unknown, at: string): ProgramBuffer {
  const o = fields(value, at);
  return {
    name: text(o.name, `${at}.name`),
    dtype: oneOf(o.dtype, `${at}.dtype`, dtypes),
    category: oneOf(o.category, `${at}.category`, categories),
    region: oneOf(o.region, `${at}.region`, regions),
    offset: whole(o.offset, `${at}.offset`),
    fixed: whole(o.fixed, `${at}.fixed`),
    perImage: whole(o.perImage, `${at}.perImage`),
    bytes: whole(o.bytes, `${at}.bytes`),
    first: whole(o.first, `${at}.first`),
    last: whole(o.last, `${at}.last`),
  };
}

function readInstruction(value: unknown, at: string): ProgramInstruction {
  const o = fields(value, at);
  const op = text(o.op, `${at}.op`);
  const definition = findOp(op);
  if (definition === undefined)
    throw wrong(`${at}.op`, `an op of this build, not ${JSON.stringify(op)}`);
  const given = fields(o.attributes, `${at}.attributes`);
  const attributes: Record<string, number | string> = {};
  for (const [name, type] of Object.entries(definition.attributes))
    attributes[name] = readAttribute(given[name], type, `${at}.attributes.${name}`);
  return {
    op,
    attributes,
    operands: list(o.operands, `${at}.operands`, (operand, where) =>
      operand === null ? null : readOperand(operand, where),
    ),
    layer: text(o.layer, `${at}.layer`),
    phase: oneOf(o.phase, `${at}.phase`, phases),
  };
}

function readAttribute(value: unknown, type: AttributeType, at: string): number | string {
  if (type === 'int64') {
    const digits = text(value, at);
    if (!/^-?\d{1,20}$/.test(digits) || BigInt.asIntN(64, BigInt(digits)) !== BigInt(digits))
      throw wrong(at, 'a 64-bit integer in decimal digits');
    return digits;
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(at, 'a finite number');
  if (type === 'int32' && (value | 0) !== value) throw wrong(at, 'a 32-bit integer');
  return value;
}

function readOperand(value: unknown, at: string): ProgramOperand {
  const o = fields(value, at);
  const shape = list(o.shape, `${at}.shape`, (extent, where) => whole(extent, where, 1));
  if (shape.length > 4) throw wrong(`${at}.shape`, 'at most four extents');
  if (typeof o.batched !== 'boolean') throw wrong(`${at}.batched`, 'true or false');
  if (o.batched && shape.length === 0) throw wrong(`${at}.shape`, 'led by the batch when batched');
  return {
    buffer: whole(o.buffer, `${at}.buffer`),
    access: oneOf(o.access, `${at}.access`, accesses),
    shape,
    batched: o.batched,
    offset: whole(o.offset, `${at}.offset`),
    pitch: whole(o.pitch, `${at}.pitch`, 1),
  };
}

function readParameter(value: unknown, at: string): ProgramParameter {
  const o = fields(value, at);
  if (typeof o.trainable !== 'boolean') throw wrong(`${at}.trainable`, 'true or false');
  return {
    name: text(o.name, `${at}.name`),
    shape: list(o.shape, `${at}.shape`, (extent, where) => whole(extent, where, 1)),
    dtype: oneOf(o.dtype, `${at}.dtype`, dtypes),
    region: oneOf(o.region, `${at}.region`, ['parameters', 'state'] as const),
    offset: whole(o.offset, `${at}.offset`),
    elements: whole(o.elements, `${at}.elements`, 1),
    trainable: o.trainable,
  };
}

function readPort(value: unknown, at: string): ProgramPort {
  const o = fields(value, at);
  if (typeof o.batched !== 'boolean') throw wrong(`${at}.batched`, 'true or false');
  return {
    name: text(o.name, `${at}.name`),
    buffer: whole(o.buffer, `${at}.buffer`),
    dtype: oneOf(o.dtype, `${at}.dtype`, dtypes),
    shape: list(o.shape, `${at}.shape`, (extent, where) => whole(extent, where, 1)),
    batched: o.batched,
  };
}

function readBytes(value: unknown): Record<Region, number> {
  const o = fields(value, 'program.bytes');
  const bytes = {} as Record<Region, number>;
  for (const region of regions) bytes[region] = whole(o[region], `program.bytes.${region}`);
  return bytes;
}

function readConstant(value: unknown, at: string): { offset: number; data: string } {
  const o = fields(value, at);
  const data = text(o.data, `${at}.data`);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw wrong(`${at}.data`, 'base64');
  return { offset: whole(o.offset, `${at}.offset`), data };
}

function readRanges(value: unknown): Program['ranges'] {
  const o = fields(value, 'program.ranges');
  const range = (name: 'forward' | 'backward' | 'update'): [number, number] => {
    const at = `program.ranges.${name}`;
    const [begin, end, ...rest] = list(o[name], at, (v, where) => whole(v, where));
    if (begin === undefined || end === undefined || rest.length > 0)
      throw wrong(at, '[begin, end]');
    return [begin, end];
  };
  return { forward: range('forward'), backward: range('backward'), update: range('update') };
}

function parseText(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new FormatError('the program is not JSON', {
      remedy: 'give what JSON.stringify made of a program',
      cause,
    });
  }
}

function fields(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(at, 'an object');
  return value as Record<string, unknown>;
}

function list<T>(value: unknown, at: string, read: (entry: unknown, at: string) => T): T[] {
  if (!Array.isArray(value)) throw wrong(at, 'a list');
  return value.map((entry, i) => read(entry, `${at}[${i}]`));
}

function text(value: unknown, at: string): string {
  if (typeof value !== 'string') throw wrong(at, 'a text');
  return value;
}

function whole(value: unknown, at: string, least = 0): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
    throw wrong(at, `a whole number from ${least}`);
  return value;
}

function oneOf<T extends string>(value: unknown, at: string, allowed: readonly T[]): T {
  const found = allowed.find((entry) => entry === value);
  if (found === undefined) throw wrong(at, `one of ${allowed.join(', ')}`);
  return found;
}

function wrong(at: string, wanted: string): FormatError {
  return new FormatError(`${at} must be ${wanted}`, {
    remedy: 'give what JSON.stringify made of a program of this version',
  });
}
