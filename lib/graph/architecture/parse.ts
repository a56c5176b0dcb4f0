import { nearest } from '../nearest.js';
import { errorAt } from './error.js';
import type { Architecture, Binding, Group, Item, Term, TermValues } from './syntax.js';
import { words, type ValueKind } from './terms.js';

interface Token {
  readonly text: string;
  readonly at: number;
}

/** Groups within groups: deeper ones are refused. */
const deepest = 32;

const pattern =
  /->|[[\]*?,=]|[A-Za-z]+6?\??(?=\s*=)|RELU6(?![A-Za-z\d])|[A-Za-z]+2?|\d+x\d+(?:x\d+)?|\d+(?:\.\d+)?/y;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && /\s/.test(text[at]!)) at += 1;
    if (at === text.length) return found;
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null)
      throw errorAt(
        text,
        at,
        `'${text[at]}' has no meaning here`,
        'Write layers with -> between them, groups in [ ] and repetition as *2.',
      );
    found.push({ text: match[0], at });
    at = pattern.lastIndex;
  }
}

/** The text of an architecture as a tree. @throws StriateError INVALID_ARGUMENT, `details.position` */
export function parseArchitecture(text: string): Architecture {
  return new Parser(text).architecture();
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(private readonly text: string) {
    this.#tokens = tokens(text);
  }

  architecture(): Architecture {
    const input = this.#input();
    const items: Item[] = [];
    while (this.#take('->')) items.push(this.#item(0));
    if (items.length === 0) throw this.#expected("'->' and a layer");
    const bindings = this.#take('with') ? this.#bindings() : [];
    if (this.#peek() !== undefined) throw this.#expected("'->', or the end");
    return { input, items, bindings };
  }

  #input(): Term {
    const token = this.#peek();
    if (token?.text !== 'INPUT') throw this.#expected('INPUT');
    this.#next += 1;
    const size = this.#peek();
    if (size === undefined || !/^\d/.test(size.text))
      return { kind: 'term', word: 'INPUT', values: {}, optional: false, at: token.at };
    this.#next += 1;
    const extents = size.text.split('x').map(Number);
    if (!/^\d+$|^\d+x\d+x\d+$/.test(size.text) || extents.some((n) => n < 1 || n >= 2 ** 31))
      throw this.#error(
        size,
        `INPUT has the size '${size.text}'`,
        'Give INPUT 32x32x3 or INPUT 3072.',
      );
    return {
      kind: 'term',
      word: 'INPUT',
      values: { size: size.text },
      optional: false,
      at: token.at,
    };
  }

  #item(depth: number): Item {
    const token = this.#peek();
    if (token?.text === '[') return this.#group(depth);
    if (token !== undefined && /^[A-Za-z]/.test(token.text)) return this.#term();
    throw this.#expected("a layer, or '['");
  }

  #group(depth: number): Group {
    const open = this.#tokens[this.#next++]!;
    if (depth === deepest)
      throw this.#error(
        open,
        `more than ${deepest} groups lie within each other`,
        'Nest less deeply.',
      );
    const items = [this.#item(depth + 1)];
    while (this.#take('->')) items.push(this.#item(depth + 1));
    if (!this.#take(']')) throw this.#expected("'->' or ']'");
    if (!this.#take('*')) throw this.#expected("'*' and how often");
    const times = this.#tokens[this.#next++];
    if (times === undefined || !/^\d+$|^[A-Z]$/.test(times.text)) {
      this.#next -= 1;
      throw this.#expected('a whole number, or a letter such as N');
    }
    const count = /^\d/.test(times.text) ? Number(times.text) : times.text;
    return { kind: 'group', items, times: count, at: open.at };
  }

  #term(): Term {
    const token = this.#tokens[this.#next++]!;
    const rule = Object.hasOwn(words, token.text) ? words[token.text]! : undefined;
    if (rule === undefined) {
      const near = nearest(token.text.toUpperCase(), Object.keys(words));
      throw this.#error(
        token,
        `'${token.text}' is no layer`,
        near === undefined
          ? `Known are ${Object.keys(words).join(', ')}.`
          : `Did you mean ${near}?`,
      );
    }
    const values = this.#values(token.text, rule.values);
    return { kind: 'term', word: token.text, values, optional: this.#take('?'), at: token.at };
  }

  #values(name: string, kinds: Readonly<Record<string, ValueKind>>): TermValues {
    const values: Record<string, TermValues[string]> = {};
    for (let token = this.#peek(); token !== undefined; token = this.#peek()) {
      const key = keyOf(token.text, kinds);
      if (key === undefined) {
        if (!/^[a-z\d]/.test(token.text) || token.text === 'with') break;
        throw this.#unknownValue(token, name, kinds);
      }
      if (Object.hasOwn(values, key))
        throw this.#error(token, `${name} has two of ${key}`, 'Name it once.');
      this.#next += 1;
      values[key] = this.#value(token, key, kinds[key]!);
    }
    return values;
  }

  #value(token: Token, key: string, kind: ValueKind): TermValues[string] {
    if (kind === 'flag') return true;
    const named = token.text === key;
    const value = named ? this.#tokens[this.#next++] : token;
    if (value === undefined) {
      this.#next -= 1;
      throw this.#expected(`the value of '${key}'`);
    }
    if (typeof kind !== 'string') {
      if (kind.includes(value.text)) return value.text;
      throw this.#error(value, `${key} is '${value.text}'`, `Give ${kind.join(' or ')}.`);
    }
    if (!/^\d/.test(value.text) || (kind === 'whole' && !/^\d+$/.test(value.text)))
      throw this.#error(value, `${key} is '${value.text}'`, 'Give a number.');
    if (kind !== 'pair') return Number(value.text);
    const [h, w = h] = value.text.split('x').map(Number);
    if (!/^\d+$|^\d+x\d+$/.test(value.text))
      throw this.#error(value, `${key} is '${value.text}'`, 'Give one number, or two as 3x3.');
    return [h!, w!];
  }

  #bindings(): Binding[] {
    const bindings: Binding[] = [];
    do {
      const name = this.#tokens[this.#next++];
      if (name === undefined || !/^([A-Z]|[A-Z]+6?\?|fit)$/.test(name.text)) {
        this.#next -= 1;
        throw this.#expected("a letter, an optional layer such as POOL?, or 'fit'");
      }
      if (!this.#take('=')) throw this.#expected("'='");
      const value = this.#tokens[this.#next++];
      const allowed = /^[A-Z]$/.test(name.text)
        ? /^\d+$/
        : name.text === 'fit'
          ? /^(exact|crop|pad)$/
          : /^(yes|no)$/;
      if (value === undefined || !allowed.test(value.text)) {
        this.#next -= 1;
        throw this.#expected(
          name.text.endsWith('?')
            ? 'yes or no'
            : name.text === 'fit'
              ? 'exact, crop or pad'
              : 'a whole number',
        );
      }
      if (bindings.some((binding) => binding.name === name.text))
        throw this.#error(name, `${name.text} is given twice`, 'Give it once.');
      bindings.push({
        name: name.text,
        value: /^\d/.test(value.text) ? Number(value.text) : value.text,
      });
    } while (this.#take(','));
    return bindings;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  #take(text: string): boolean {
    if (this.#peek()?.text !== text) return false;
    this.#next += 1;
    return true;
  }

  #expected(what: string): Error {
    const token = this.#peek();
    const at = token?.at ?? this.text.trimEnd().length;
    const found = token === undefined ? 'the text ends' : `'${token.text}' stands`;
    return errorAt(
      this.text,
      at,
      `${found} where ${what} should be`,
      'For example: INPUT 32x32x3 -> [CONV 3x3 32 -> RELU]*2 -> POOL -> FC 10',
    );
  }

  #unknownValue(token: Token, name: string, kinds: Readonly<Record<string, ValueKind>>): Error {
    const names = Object.keys(kinds).filter((key) => key !== 'size' && key !== 'count');
    const near = nearest(token.text, names);
    const takes = Object.keys(kinds).join(', ') || 'nothing';
    return this.#error(
      token,
      `${name} takes no '${token.text}'`,
      near === undefined ? `${name} takes ${takes}.` : `Did you mean '${near}'?`,
    );
  }

  #error(token: Token, message: string, remedy: string): Error {
    return errorAt(this.text, token.at, message, remedy);
  }
}

/** Which of a word's values this token begins; undefined: none. */
function keyOf(text: string, kinds: Readonly<Record<string, ValueKind>>): string | undefined {
  if (/^\d+x\d+$/.test(text)) return kinds.size === undefined ? undefined : 'size';
  if (/^\d+(\.\d+)?$/.test(text)) {
    const whole = kinds.count === 'whole' && /\./.test(text);
    return kinds.count === undefined || whole ? undefined : 'count';
  }
  return text !== 'size' && text !== 'count' && Object.hasOwn(kinds, text) ? text : undefined;
}
