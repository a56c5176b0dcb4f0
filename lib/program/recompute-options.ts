import { StriateError } from '../errors.js';
import { parseBytes } from './plan.js';
import type { Chooser, Choice } from './recompute-choice.js';

/**
 * What the backward pass makes again rather than finds kept. All give the same bits.
 *
 * - `'light'`, the default: what takes no convolution or matrix product (batch normalisation, rectifiers,
 *   pooling, sums, dropout), where that makes the plan smaller.
 * - `'auto'`: convolutions too, each once at most, for the smallest plan at no more than a third of the
 *   forward and backward pass on top.
 * - `'sqrt'`: segments, as many as the square root of the number of layers with products, each run again as
 *   a whole (Chen et al., arXiv:1604.06174).
 * - A list of layer names: what these layers make, beside what `'light'` does. `*` stands for any text.
 * - `{ budget }`: as little as makes the whole plan fit into so many bytes (or `'8GB'`).
 * - `'none'`: everything that the backward pass reads is kept.
 */
export type Recompute =
  'none' | 'light' | 'auto' | 'sqrt' | readonly string[] | { readonly budget: number | string };

const words = ['none', 'light', 'auto', 'sqrt'] as const;

/** @throws StriateError `INVALID_ARGUMENT` for anything else. */
export function checkRecompute(recompute: unknown, layers?: readonly string[]): void {
  if (recompute === undefined || words.some((word) => word === recompute)) return;
  if (Array.isArray(recompute) && recompute.every((name) => typeof name === 'string')) {
    const unknown = recompute.find(
      (name) => layers !== undefined && !layers.some((layer) => matches(name, layer)),
    );
    if (unknown === undefined) return;
    throw new StriateError('INVALID_ARGUMENT', `recompute names no layer: ${unknown}`, {
      remedy: `Layers are ${layers!.slice(0, 12).join(', ')}${layers!.length > 12 ? ' and others' : ''}; * stands for any text.`,
    });
  }
  if (typeof recompute === 'object' && recompute !== null && 'budget' in recompute) {
    const { budget, ...others } = recompute as { budget: number | string };
    if (Object.keys(others).length === 0) {
      parseBytes(budget);
      return;
    }
  }
  throw new StriateError('INVALID_ARGUMENT', `recompute is ${JSON.stringify(recompute)}`, {
    remedy: `Give one of ${words.join(', ')}, a list of layer names, or { budget: '8GB' }.`,
  });
}

export function isBudget(
  recompute: Recompute | undefined,
): recompute is { readonly budget: number | string } {
  return typeof recompute === 'object' && 'budget' in recompute;
}

/** Of the multiplications of forward and backward pass, how many `'auto'` makes again at most. */
const autoShare = 1 / 3;

/** What is kept, for all options but a budget. */
export function choiceFor(
  recompute: Exclude<Recompute, { readonly budget: number | string }>,
  chooser: Chooser,
): Choice {
  if (recompute === 'none') return chooser.plain();
  if (recompute === 'light') return chooser.lightest();
  if (recompute === 'sqrt') return chooser.squareRoot();
  if (recompute !== 'auto')
    return chooser.dropping((layer) => recompute.some((name) => matches(name, layer)));
  const { nodes } = chooser.graph;
  const heavy = nodes.reduce((sum, { light, cost, step }) => {
    return sum + (light || step.phase === 'update' || step.phase === 'commit' ? 0 : cost);
  }, 0);
  return chooser.smallest(heavy * autoShare);
}

function matches(pattern: string, layer: string): boolean {
  if (!pattern.includes('*')) return pattern === layer;
  const escaped = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`).test(layer);
}
