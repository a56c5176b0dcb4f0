import { StriateError, type StriateErrorOptions } from '../../errors.js';

const shown = 60;

/** An error that points at the character of the text: `details.position` counts from 0. */
export function errorAt(
  text: string,
  position: number,
  message: string,
  remedy: string,
  options: { code?: 'INVALID_ARGUMENT' | 'INVALID_SHAPE'; cause?: unknown } = {},
): StriateError {
  const from = Math.max(0, position - shown);
  const line = text.slice(from, position + shown).replace(/\s/g, ' ');
  const mark = `${' '.repeat(position - from)}^`;
  const more: StriateErrorOptions = { remedy, details: { position } };
  if (options.cause !== undefined) more.cause = options.cause;
  return new StriateError(
    options.code ?? 'INVALID_ARGUMENT',
    `architecture: ${message}\n  ${line}\n  ${mark}`,
    more,
  );
}
