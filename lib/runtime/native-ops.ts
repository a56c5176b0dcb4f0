import type { NativeOp } from '../../typings/native.js';
import { StriateError } from '../errors.js';
import { addon } from './addon.js';

/** An op of the addon with its number. */
export interface NumberedOp extends NativeOp {
  number: number;
}

let table: Map<string, NumberedOp> | undefined;

/** @throws StriateError INVALID_ARGUMENT for an op that the addon does not have. */
export function nativeOp(name: string): NumberedOp {
  table ??= new Map(
    addon()
      .describeOps()
      .map((op, number) => [op.name, { ...op, number }]),
  );
  const op = table.get(name);
  if (op !== undefined) return op;
  throw new StriateError('INVALID_ARGUMENT', `there is no op ${name}`, {
    remedy: `The ops are ${[...table.keys()].join(', ')}.`,
  });
}

/**
 * Packs attributes as the op's header lays them out. 64-bit integers may be decimal strings. A field
 * named `reserved` may be left out.
 *
 * @throws StriateError INVALID_ARGUMENT for one that is missing, unknown or out of its type's range.
 */
export function packAttributes(
  op: NativeOp,
  attributes: Readonly<Record<string, number | bigint | string>>,
): Uint8Array {
  const unknown = Object.keys(attributes).find((key) => !op.attributes.some((f) => f.name === key));
  if (unknown !== undefined) throw invalid(op, unknown, 'is no attribute of the op');
  const packed = new DataView(new ArrayBuffer(op.attributesSize));
  for (const { name, type, offset } of op.attributes) {
    const value = attributes[name] ?? (name === 'reserved' ? 0 : undefined);
    if (value === undefined) throw invalid(op, name, 'is missing');
    if (type === 'int64') {
      packed.setBigInt64(offset, wide(op, name, value), true);
      continue;
    }
    const number = Number(value);
    if (type === 'int32') {
      if (number !== (number | 0)) throw invalid(op, name, `is ${value}, not a 32-bit integer`);
      packed.setInt32(offset, number, true);
    } else {
      if (Number.isNaN(number)) throw invalid(op, name, `is ${value}, not a number`);
      if (type === 'float64') packed.setFloat64(offset, number, true);
      else packed.setFloat32(offset, number, true);
    }
  }
  return new Uint8Array(packed.buffer);
}

function wide(op: NativeOp, name: string, value: number | bigint | string): bigint {
  let integer: bigint;
  try {
    integer = BigInt(value);
  } catch {
    throw invalid(op, name, `is ${value}, not an integer`);
  }
  if (integer !== BigInt.asIntN(64, integer)) throw invalid(op, name, 'does not fit 64 bits');
  return integer;
}

function invalid(op: NativeOp, name: string, what: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `${op.name}: ${name} ${what}`, {
    remedy: `The attributes are ${op.attributes.map((f) => `${f.name} (${f.type})`).join(', ')}.`,
  });
}
