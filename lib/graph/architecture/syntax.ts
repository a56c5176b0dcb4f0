/** What an architecture's text says, before it becomes layers. */
export interface Architecture {
  readonly input: Term;
  readonly items: readonly Item[];
  /** `with N=2, fit=crop`: what the letters stand for, and how windows fit. */
  readonly bindings: readonly Binding[];
}

export type Item = Term | Group;

/** One layer: a word and what follows it, `CONV 3x3 32 stride 2`. */
export interface Term {
  readonly kind: 'term';
  readonly word: string;
  readonly values: TermValues;
  /** `POOL?`: there when the binding `POOL?` is not `no`. */
  readonly optional: boolean;
  /** Where it stands in the text. */
  readonly at: number;
}

/** `3x3` under `size`, a bare number under `count`, `stride 2` under `stride`, a bare word as true. */
export type TermValues = Readonly<
  Record<string, number | string | true | readonly [number, number]>
>;

/** `[CONV -> RELU]*2` */
export interface Group {
  readonly kind: 'group';
  readonly items: readonly Item[];
  /** A number, or a letter that is bound. */
  readonly times: number | string;
  readonly at: number;
}

export interface Binding {
  readonly name: string;
  readonly value: number | string;
}
