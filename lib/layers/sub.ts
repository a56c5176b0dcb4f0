import type { Value } from '../graph/value.js';
import { shift } from './affine.js';
import { defineBinary } from './binary.js';

const make = defineBinary('sub');

/** `a - b`, elementwise; `b` may be a single number. */
export function sub(a: Value, b: Value | number): Value {
  return typeof b === 'number' ? shift(a, -b) : make()(a, b);
}
