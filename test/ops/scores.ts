// Batches of scores with labels, for the losses over classes, and what their statistics count.
import {
  integers,
  range,
  uniform,
  type Input,
  type Numbers,
  type Output,
  type Range,
  type Recipe,
} from './cases.js';

export interface Scores {
  name: string;
  n: number;
  classes: number;
  logits: Recipe;
  labels: Recipe;
  ignoreLabel: number;
  lossScale: number;
  from?: Range | undefined;
  to?: Range | undefined;
  accumulate: boolean;
}

interface Options {
  logits?: Recipe;
  labels?: Recipe;
  ignored?: Record<number, number>;
  ignoreLabel?: number;
  lossScale?: number;
  from?: Range;
  to?: Range;
  accumulate?: boolean;
  note?: string;
}

export const scores = (n: number, classes: number, options: Options = {}): Scores => ({
  name: `${n}x${classes}${options.note ? ` ${options.note}` : ''}`,
  n,
  classes,
  logits: options.logits ?? uniform(-3, 3),
  labels: options.labels ?? integers(0, classes, options.ignored),
  ignoreLabel: options.ignoreLabel ?? -1,
  lossScale: options.lossScale ?? 1,
  from: options.from,
  to: options.to,
  accumulate: options.accumulate ?? false,
});

/** Sizes and places, of which each loss makes its cases. */
export const scoreBatches: readonly Scores[] = [
  scores(1, 1),
  scores(1, 2),
  scores(1, 10),
  scores(4, 10),
  scores(7, 3),
  scores(5, 4, { note: 'fewer classes than five' }),
  scores(13, 5),
  scores(3, 16),
  scores(11, 17),
  scores(2, 31),
  scores(2, 33),
  scores(3, 1000),
  scores(37, 101),
  scores(257, 7),
  scores(20, 999, { note: 'several pieces' }),
  scores(9, 10, { logits: uniform(900, 905), note: 'far from zero' }),
  scores(6, 10, { ignored: { 1: -1, 4: -1 }, note: 'ignored rows' }),
  scores(5, 10, { ignored: { 0: 255 }, ignoreLabel: 255, note: 'ignored label 255' }),
  scores(4, 6, { ignored: { 0: 2, 1: 2 }, ignoreLabel: 2, note: 'a class that is ignored' }),
  scores(6, 8, { lossScale: 1024, note: 'scaled' }),
  scores(6, 8, { lossScale: 0.25, ignored: { 2: -1 }, note: 'scaled and ignored' }),
  scores(5, 6, { from: range(9, 2), note: 'logits are a range' }),
  scores(5, 6, { from: range(8, 1), to: range(7, 0), note: 'both are ranges' }),
  scores(5, 6, { accumulate: true, note: 'added' }),
];

export const logitsOf = (b: Scores): Input => ({
  shape: [b.n, b.classes],
  fill: b.logits,
  ...b.from,
});
export const labelsOf = (b: Scores): Input => ({ shape: [b.n], dtype: 'int32', fill: b.labels });
export const dxOf = (b: Scores): Output => ({
  shape: [b.n, b.classes],
  ...b.to,
  ...(b.accumulate && { accumulate: true }),
});

export const rowAt = (x: Numbers, i: number, classes: number): number[] =>
  Array.from({ length: classes }, (_, j) => x[i * classes + j]!);

/** Sum of the losses, rows that count, and those whose label is among the first one and five. */
export function statisticsOf(
  losses: Numbers,
  logits: Numbers,
  labels: Numbers,
  ignoreLabel: number | undefined,
): Float64Array {
  const classes = logits.length / labels.length;
  const statistics = new Float64Array(4);
  for (let i = 0; i < labels.length; ++i) {
    const label = labels[i]!;
    if (label === ignoreLabel) continue;
    const row = rowAt(logits, i, classes);
    // A stable sort leaves equals in their order.
    const order = row.map((_, j) => j).sort((a, b) => row[b]! - row[a]!);
    const rank = Number.isNaN(losses[i]!) ? Infinity : order.indexOf(label);
    statistics[0]! += losses[i]!;
    statistics[1]! += 1;
    statistics[2]! += rank < 1 ? 1 : 0;
    statistics[3]! += rank < 5 ? 1 : 0;
  }
  return statistics;
}
