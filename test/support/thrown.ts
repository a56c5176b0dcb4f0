import { StriateError } from '../../lib/errors.js';

/** The StriateError that a call throws; anything else fails the test. */
export function thrown(call: () => unknown): StriateError {
  try {
    call();
  } catch (error) {
    if (error instanceof StriateError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
