import {
  OutOfDeviceMemoryError,
  ShapeError,
  StriateError,
  type ErrorCode,
  type StriateErrorOptions,
} from '../errors.js';

const remedies: Partial<Record<ErrorCode, string>> = {
  INVALID_ARGUMENT: 'Compare the arguments with the declarations.',
  INVALID_SHAPE: 'Compare the shapes with the rule in the message.',
  DISPOSED: 'Use devices, tensors and programs before they are closed or disposed.',
  BUSY: 'Wait for the step that uses it.',
  OUT_OF_DEVICE_MEMORY:
    'Choose a smaller batch, dispose of what is not needed, or raise memoryLimit.',
  DEVICE_UNAVAILABLE: 'Ask `npx striate doctor` what is missing.',
  DEVICE_LOST: 'Start the process again and go on from the last checkpoint.',
  DEVICE_ERROR: 'Open a new device and go on from the last checkpoint.',
};

const codes: ReadonlySet<string> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'INVALID_SHAPE',
  'DISPOSED',
  'BUSY',
  'CANCELLED',
  'NOT_FINITE',
  'OUT_OF_DEVICE_MEMORY',
  'DEVICE_ERROR',
  'DEVICE_LOST',
  'DEVICE_UNAVAILABLE',
  'INVALID_DATA',
]);

/**
 * What the addon threw as a StriateError. Called within the async function that the user called, so that
 * the stack shows that call: the native error was made on no JavaScript stack at all.
 */
export function fromNative(error: unknown): unknown {
  if (error instanceof StriateError || !(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string' || !codes.has(code)) return error;
  const remedy = remedies[code as ErrorCode];
  const options: StriateErrorOptions = {
    cause: error,
    ...(remedy === undefined ? {} : { remedy }),
  };
  if (code === 'INVALID_SHAPE') return new ShapeError(error.message, options);
  if (code === 'OUT_OF_DEVICE_MEMORY') return new OutOfDeviceMemoryError(error.message, options);
  return new StriateError(code as ErrorCode, error.message, options);
}

/** Calls into the addon; what it throws is a StriateError. */
export function native<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

/** The same for calls that give promises. */
export async function nativeAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromNative(error);
  }
}
