import { StriateError } from '../../lib/errors.js';

/** The code of the StriateError that a promise rejects with; undefined when it resolves. */
export async function codeOf(promise: PromiseLike<unknown>): Promise<string | undefined> {
  return (await errorOf(promise))?.code;
}

/** The StriateError that a promise rejects with; any other error is thrown on. */
export async function errorOf(promise: PromiseLike<unknown>): Promise<StriateError | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    if (error instanceof StriateError) return error;
    throw error;
  }
}
