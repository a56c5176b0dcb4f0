import type { Value } from '../graph/value.js';
import { scale } from './affine.js';
import { defineBinary } from './binary.js';

const make = defineBinary('mul');

/** `a b`, elementwise; `b` may be a single number. */
export function mul(a: Value, b: Value | number): Value {
  return typeof b === 'number' ? scale(a, b) : make()(a, b);
}
