import type { Item, Term } from './syntax.js';
import { printTerm } from './print.js';

/** A run of items with its shortest text. */
interface Folded {
  readonly items: readonly Item[];
  readonly length: number;
}

/** Chains longer than this are left as they are: the search takes cubic time. */
const longest = 240;

/** The items with the shortest text that stand for this chain of layers: repetitions become groups. */
export function fold(terms: readonly Term[]): readonly Item[] {
  if (terms.length > longest) return terms;
  const texts = terms.map(printTerm);
  const arrow = ' -> '.length;
  const best: Folded[][] = terms.map(() => []);
  // best[from][count]: the shortest form of `count` terms from `from` on.
  for (let count = 1; count <= terms.length; count += 1) {
    for (let from = 0; from + count <= terms.length; from += 1) {
      let shortest: Folded =
        count === 1
          ? { items: [terms[from]!], length: texts[from]!.length }
          : { items: [], length: Infinity };
      for (let left = 1; left < count; left += 1) {
        const [a, b] = [best[from]![left]!, best[from + left]![count - left]!];
        const length = a.length + arrow + b.length;
        if (length < shortest.length) shortest = { items: [...a.items, ...b.items], length };
      }
      const period = periodOf(texts, from, count);
      if (period < count) {
        const inner = best[from]![period]!;
        const times = count / period;
        const length = inner.length + `[]*${times}`.length;
        if (length < shortest.length) {
          const group: Item = { kind: 'group', items: inner.items, times, at: 0 };
          shortest = { items: [group], length };
        }
      }
      best[from]![count] = shortest;
    }
  }
  return best[0]![terms.length]!.items;
}

/** The length of what is repeated; `count` where nothing is. */
function periodOf(texts: readonly string[], from: number, count: number): number {
  for (let period = 1; period <= count / 2; period += 1) {
    if (count % period !== 0) continue;
    let repeats = true;
    for (let i = period; repeats && i < count; i += 1)
      repeats = texts[from + i] === texts[from + i - period];
    if (repeats) return period;
  }
  return count;
}
