/** The stable codes of everything that Striate throws. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_SHAPE'
  | 'DISPOSED'
  | 'BUSY'
  | 'CANCELLED'
  | 'NOT_FINITE'
  | 'OUT_OF_DEVICE_MEMORY'
  | 'DEVICE_ERROR'
  | 'DEVICE_LOST'
  | 'DEVICE_UNAVAILABLE'
  | 'NATIVE_ADDON_MISSING'
  | 'NATIVE_ADDON_MISMATCH'
  | 'BUILD_FAILED'
  | 'INVALID_DATA'
  | 'INVALID_FORMAT';

export interface StriateErrorOptions {
  /** What the reader can do about it. */
  remedy?: string;
  cause?: unknown;
  /** Facts for programs: sizes, names, breakdowns. */
  details?: Record<string, unknown>;
}

/**
 * Everything that Striate throws. Compare by `code`: classes are lost when an error crosses a worker's
 * border, codes are not.
 */
export class StriateError extends Error {
  override name = 'StriateError';
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, options: StriateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.details = options.details;
  }

  toJSON(): {
    code: ErrorCode;
    message: string;
    remedy?: string;
    details?: Record<string, unknown>;
  } {
    return {
      code: this.code,
      message: this.message,
      ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** A volume that does not fit: `code` is `INVALID_SHAPE`. */
export class ShapeError extends StriateError {
  override name = 'ShapeError';
  constructor(message: string, options: StriateErrorOptions = {}) {
    super('INVALID_SHAPE', message, options);
  }
}

/** A file that is not what it says: `code` is `INVALID_FORMAT`. */
export class FormatError extends StriateError {
  override name = 'FormatError';
  constructor(message: string, options: StriateErrorOptions = {}) {
    super('INVALID_FORMAT', message, options);
  }
}

/** Work ended by an `AbortSignal`: `code` is `CANCELLED`, `cause` the signal's reason. */
export class CancelledError extends StriateError {
  override name = 'CancelledError';
  constructor(message: string, options: StriateErrorOptions = {}) {
    super('CANCELLED', message, options);
  }
}

/** A device that has no room: `code` is `OUT_OF_DEVICE_MEMORY`, `details` the plan's breakdown. */
export class OutOfDeviceMemoryError extends StriateError {
  override name = 'OutOfDeviceMemoryError';
  constructor(message: string, options: StriateErrorOptions = {}) {
    super('OUT_OF_DEVICE_MEMORY', message, options);
  }
}
