import type { Stream } from './philox.js';

/** How a parameter starts: plain data, so that it stands in a network's JSON. */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'gaussian'; readonly mean: number; readonly std: number }
  | { readonly kind: 'uniform'; readonly from: number; readonly to: number }
  | { readonly kind: 'glorotUniform' }
  | { readonly kind: 'glorotNormal' }
  | { readonly kind: 'heUniform' }
  | { readonly kind: 'heNormal' }
  | { readonly kind: 'xavier' };

export type InitializerKind = Initializer['kind'];

/** Inputs and outputs that one weight connects, counted over the window. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

/** One kind of initialisation: its numbers, and how one element is drawn. */
export interface InitializerRule {
  /** Names of its numbers with their defaults. */
  readonly numbers: Readonly<Record<string, number>>;
  /** A function that gives the next element. */
  sampler(numbers: Readonly<Record<string, number>>, fans: Fans, stream: Stream): () => number;
}

export function uniformBetween(from: number, to: number, stream: Stream): () => number {
  return () => from + (to - from) * stream.uniform();
}

export function normalOf(std: number, stream: Stream): () => number {
  return () => std * stream.normal();
}
