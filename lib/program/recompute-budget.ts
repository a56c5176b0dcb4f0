import { OutOfDeviceMemoryError } from '../errors.js';
import { parseBytes, Plan } from './plan.js';
import type { Program } from './program.js';
import type { Decision } from './recompute.js';

/** Compilations at most, each with less of the budget for the arena. */
const mostTries = 6;

/**
 * The program that fits into so many bytes and makes the least again. The choice is by an estimate of the
 * arena; where the arena turns out larger, the estimate gets less.
 *
 * @throws OutOfDeviceMemoryError with `smallest`, the fewest bytes that are possible, and `largestBatch`.
 */
export function withinBudget(
  budget: number | string,
  batch: number,
  compile: (decision: Decision) => Program,
): Program {
  const bytes = parseBytes(budget);
  let program = compile({ choose: (chooser) => chooser.lightest() });
  let plan = new Plan(program);
  const fixed = plan.totalBytes - plan.arena.bytes;
  let target = bytes - fixed;
  let smallest = plan.totalBytes;
  for (let tries = 0; plan.totalBytes > bytes && tries < mostTries; tries++) {
    let feasible = true;
    let expected = 0;
    program = compile({
      batch,
      choose: (chooser) => {
        const found = chooser.within(Math.max(0, target));
        feasible = found.feasible;
        expected = found.choice.peak;
        return found.choice;
      },
    });
    plan = new Plan(program);
    smallest = Math.min(smallest, plan.totalBytes);
    if (!feasible) break;
    target -= Math.max(1, plan.totalBytes - bytes, plan.arena.bytes - expected);
  }
  if (plan.totalBytes <= bytes) return program;
  const largestBatch = plan.largestBatch(bytes);
  throw new OutOfDeviceMemoryError(
    `a budget of ${bytes} bytes is too small: with all that can be made again the plan takes ${smallest}`,
    {
      remedy:
        largestBatch === 0
          ? `Give a budget of ${smallest} bytes, or plan a smaller network.`
          : `Give a budget of ${smallest} bytes, or a batch of ${largestBatch}.`,
      details: { budget: bytes, smallest, batch: program.batch, largestBatch },
    },
  );
}
