import { ShapeError } from '../errors.js';
import { describe, invalid, optional, type OptionRule } from '../graph/options.js';
import { elementsOf, printShape, type Shape } from '../graph/shape.js';
import type { Divisor } from './loss.js';

/** Options of the losses over classes. */
const label: OptionRule<number> = {
  read(value, where) {
    if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31)
      return value;
    throw invalid(`${where} is ${describe(value)}`, 'Give a whole number.');
  },
};

export const ignoreLabel = optional(label, -1);

/** The labels that count, or the sum of their classes' weights. */
export function byLabels(ignoreLabel: number, weights?: readonly number[]): Divisor {
  return (labels) => {
    let sum = 0;
    for (let i = 0; i < labels.length; i++)
      if (labels[i] !== ignoreLabel) sum += weights?.[labels[i]!] ?? 1;
    return sum;
  };
}

/** @throws ShapeError for outputs that are no scores `[classes]`. */
export function requireScores(kind: string, output: Shape): void {
  if (output.length > 0 && output.at(-1) === elementsOf(output)) return;
  throw new ShapeError(`${kind} needs logits [classes], the network gives ${printShape(output)}`, {
    remedy: 'End the network with dense({ units: classes }), flatten() or globalAvgPool2d().',
  });
}
