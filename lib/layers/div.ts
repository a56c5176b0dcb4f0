import type { Value } from '../graph/value.js';
import { scale } from './affine.js';
import { defineBinary } from './binary.js';

const make = defineBinary('div');

/** `a / b`, elementwise; `b` may be a single number. */
export function div(a: Value, b: Value | number): Value {
  return typeof b === 'number' ? scale(a, 1 / b) : make()(a, b);
}
