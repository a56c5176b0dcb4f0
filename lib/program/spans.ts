import type { ProgramOperand } from './program.js';

/** The elements of a buffer that a view touches: `rows` rows of `width` elements, `pitch` apart. */
export interface Span {
  offset: number;
  width: number;
  rows: number;
  pitch: number;
  /** After the last element. */
  end: number;
}

/** The span of a view for a batch of n; rows without gaps are one row. */
export function spanOf(
  view: Pick<ProgramOperand, 'shape' | 'batched' | 'offset' | 'pitch'>,
  n: number,
): Span {
  const size = view.shape.map((extent, i) => (i === 0 && view.batched ? extent * n : extent));
  const width = size.at(-1) ?? 1;
  const rows = size.slice(0, -1).reduce((a, b) => a * b, 1);
  const { offset, pitch } = view;
  if (rows === 1 || pitch === width)
    return {
      offset,
      width: rows * width,
      rows: 1,
      pitch: rows * width,
      end: offset + rows * width,
    };
  return { offset, width, rows, pitch, end: offset + (rows - 1) * pitch + width };
}

/** Whether two spans of one buffer may have an element in common. */
export function spansOverlap(a: Span, b: Span): boolean {
  if (a.end <= b.offset || b.end <= a.offset) return false;
  if (a.rows === 1 || b.rows === 1 || a.pitch !== b.pitch) return true;
  const [p, q] = [a.offset % a.pitch, b.offset % b.pitch];
  return p < q + b.width && q < p + a.width;
}

/** Disjoint intervals [begin, end), in order. */
class Intervals {
  readonly #list: [number, number][] = [];

  add(begin: number, end: number): void {
    const after = this.#list.findIndex(([, e]) => e >= begin);
    if (after < 0) {
      this.#list.push([begin, end]);
      return;
    }
    let last = after;
    let [from, to] = [begin, end];
    while (last < this.#list.length && this.#list[last]![0] <= to) {
      from = Math.min(from, this.#list[last]![0]);
      to = Math.max(to, this.#list[last]![1]);
      last += 1;
    }
    this.#list.splice(after, last - after, [from, to]);
  }

  cover(begin: number, end: number): boolean {
    return this.#list.some(([b, e]) => b <= begin && end <= e);
  }
}

/** Which elements of a buffer have been written. */
export class Coverage {
  readonly #whole = new Intervals();
  /** Channel ranges, by the rows that they were written to. */
  readonly #ranges = new Map<string, Intervals>();

  add(span: Span): void {
    if (span.rows === 1) {
      this.#whole.add(span.offset, span.end);
      return;
    }
    const { key, column, begin } = rowsOf(span);
    let range = this.#ranges.get(key);
    if (range === undefined) this.#ranges.set(key, (range = new Intervals()));
    range.add(column, column + span.width);
    if (range.cover(0, span.pitch)) this.#whole.add(begin, begin + span.rows * span.pitch);
  }

  covers(span: Span): boolean {
    if (this.#whole.cover(span.offset, span.end)) return true;
    if (span.rows === 1) return false;
    const { key, column } = rowsOf(span);
    return this.#ranges.get(key)?.cover(column, column + span.width) ?? false;
  }
}

function rowsOf({ offset, pitch, rows }: Span): { key: string; column: number; begin: number } {
  const column = offset % pitch;
  return { key: `${pitch} ${rows} ${offset - column}`, column, begin: offset - column };
}
