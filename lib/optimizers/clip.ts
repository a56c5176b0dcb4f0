import { StriateError } from '../errors.js';
import { defineOp } from '../program/op.js';
import { requireNumber } from './groups.js';
import type { Clip } from './optimizer.js';

/** By how much all gradients are scaled so that their norm is at most `most`; native/ops/clip_norm.h. */
export const clipNorm = defineOp({
  name: 'clipNorm',
  operands: [
    { name: 'gradients', role: 'in', element: 'compute' },
    { name: 'clip', role: 'out', element: 'compute' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes: { most: 'float64' },
  // A double for each of at most 256 parts.
  workspace: () => ({ fixed: 256 * 8, perImage: 0 }),
});

/** @throws StriateError `INVALID_ARGUMENT` unless it is `{ norm }` or `{ value }`, a number above 0. */
export function readClip(given: unknown): Clip | undefined {
  if (given === undefined) return undefined;
  const { norm, value, ...others } = Object(given) as Record<string, unknown>;
  const bound = norm ?? value;
  const one = (norm === undefined) !== (value === undefined) && Object.keys(others).length === 0;
  if (!one || typeof bound !== 'number')
    throw new StriateError('INVALID_ARGUMENT', `clip is ${JSON.stringify(given)}`, {
      remedy: 'give { norm: 1 } or { value: 0.5 }',
    });
  const name = norm === undefined ? 'value' : 'norm';
  requireNumber(`clip.${name}`, bound, (v) => v > 0, 'a number above 0');
  return name === 'norm' ? { norm: bound } : { value: bound };
}
