import { StriateError } from '../errors.js';

/** Where a command's words go: its one result to standard output, all else to standard error. */
export class Output {
  constructor(readonly json: boolean) {}

  /** The command's result: one line of JSON with `--json`, else the text. */
  result(value: object, text: string): void {
    process.stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${text}\n`);
  }

  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  /** An error, for a program or for a reader. `STRIATE_LOG` adds the stack. */
  failure(error: unknown): void {
    const { code, message, remedy } = describeError(error);
    if (this.json) {
      const described = { code, message, ...(remedy === undefined ? {} : { remedy }) };
      process.stdout.write(`${JSON.stringify({ error: described })}\n`);
    }
    this.note(`striate: ${message} (${code})`);
    if (remedy !== undefined) this.note(`  ${remedy}`);
    if (process.env.STRIATE_LOG && error instanceof Error && error.stack) this.note(error.stack);
  }
}

/** Wrong use of the command line: exit code 2. */
export class UsageError extends StriateError {
  constructor(message: string, remedy: string) {
    super('INVALID_ARGUMENT', message, { remedy });
  }
}

interface Described {
  code: string;
  message: string;
  remedy?: string | undefined;
}

function describeError(error: unknown): Described {
  if (error instanceof StriateError) return error;
  if (!(error instanceof Error)) return { code: 'ERROR', message: String(error) };
  const { code, message, remedy } = error as Error & { code?: unknown; remedy?: unknown };
  return {
    code: typeof code === 'string' ? code : 'ERROR',
    message,
    remedy: typeof remedy === 'string' ? remedy : undefined,
  };
}
