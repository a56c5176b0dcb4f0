import { invalid } from '../../graph/options.js';

/** More names than any set of shards has, and few enough to hold. */
const most = 1_000_000;

/**
 * The names that a pattern with braces stands for, as in a shell: `{a,b}`, `{000..123}` (as many digits as
 * the longer border has zeros in front), one inside another.
 * @throws StriateError `INVALID_ARGUMENT` for braces that do not close, or more than a million names.
 */
export function expandBraces(pattern: string): string[] {
  return expand(pattern, pattern);
}

function expand(text: string, whole: string): string[] {
  const open = text.indexOf('{');
  if (open < 0) {
    if (text.includes('}')) throw unbalanced(whole);
    return [text];
  }
  const close = closingOf(text, open, whole);
  const before = text.slice(0, open);
  if (before.includes('}')) throw unbalanced(whole);
  const inner = alternatives(text.slice(open + 1, close), whole);
  const rests = expand(text.slice(close + 1), whole);
  if (inner.length * rests.length > most)
    throw invalid(`${whole} stands for more than ${most} names`, 'Give a smaller range.');
  return inner.flatMap((part) => rests.map((rest) => before + part + rest));
}

function closingOf(text: string, open: number, whole: string): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  throw unbalanced(whole);
}

function alternatives(inner: string, whole: string): string[] {
  const range = /^(\d+)\.\.(\d+)$/.exec(inner);
  if (range) return numbers(range[1]!, range[2]!, whole);
  const parts = splitTop(inner);
  if (parts.length < 2)
    throw invalid(
      `${whole}: {${inner}} is neither a range nor a list`,
      'Write {000..123} or {a,b}.',
    );
  return parts.flatMap((part) => expand(part, whole));
}

function numbers(first: string, last: string, whole: string): string[] {
  const [from, to] = [Number(first), Number(last)];
  if (Math.abs(to - from) >= most)
    throw invalid(`${whole} stands for more than ${most} names`, 'Give a smaller range.');
  const padded = [first, last].some((border) => border.length > 1 && border.startsWith('0'));
  const digits = padded ? Math.max(first.length, last.length) : 0;
  const step = from <= to ? 1 : -1;
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) =>
    String(from + step * i).padStart(digits, '0'),
  );
}

/** At the commas that stand in no inner braces. */
function splitTop(inner: string): string[] {
  const parts: string[] = [];
  let [depth, begin] = [0, 0];
  for (let i = 0; i < inner.length; i++) {
    if (inner[i] === '{') depth++;
    else if (inner[i] === '}') depth--;
    else if (inner[i] === ',' && depth === 0) {
      parts.push(inner.slice(begin, i));
      begin = i + 1;
    }
  }
  return [...parts, inner.slice(begin)];
}

function unbalanced(pattern: string) {
  return invalid(`${pattern}: the braces do not match`, 'Write {000..123} or {a,b}.');
}
