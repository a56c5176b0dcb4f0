import type { Architecture, Item, Term } from './syntax.js';
import { words } from './terms.js';

/** The text of a tree: `parseArchitecture` of it gives an equal tree. */
export function printArchitecture({ input, items, bindings }: Architecture): string {
  const chain = [printTerm(input), ...items.map(printItem)].join(' -> ');
  if (bindings.length === 0) return chain;
  return `${chain} with ${bindings.map(({ name, value }) => `${name}=${value}`).join(', ')}`;
}

function printItem(item: Item): string {
  if (item.kind === 'term') return printTerm(item);
  return `[${item.items.map(printItem).join(' -> ')}]*${item.times}`;
}

export function printTerm({ word, values, optional }: Term): string {
  if (word === 'INPUT') return values.size === undefined ? word : `${word} ${String(values.size)}`;
  const order = Object.keys(words[word]!.values);
  const parts = order
    .filter((key) => values[key] !== undefined)
    .map((key) => printValue(key, values[key]!));
  return [word, ...parts].join(' ') + (optional ? '?' : '');
}

function printValue(key: string, value: Term['values'][string]): string {
  if (value === true) return key;
  const bare = key === 'size' || key === 'count';
  const text =
    typeof value === 'object'
      ? value[0] === value[1] && !bare
        ? String(value[0])
        : value.join('x')
      : String(value);
  return bare ? text : `${key} ${text}`;
}
