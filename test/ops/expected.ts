// What a case's outputs are to be.
import { fromHalf, isHalf, toHalf } from '../../lib/program/half.js';
import {
  inputsOf,
  previousOf,
  type Numbers,
  type OpCase,
  type OpCases,
  type Precision,
} from './cases.js';
import { difference, storedDifference, type Tolerance } from './compare.js';
import { roundingOf, storedAs } from './run.js';

const known = new Map<Precision, Map<OpCase, Record<string, Numbers>>>();

/**
 * The reference, from the inputs as they are stored, plus what an accumulating output held before;
 * computed once for all runs.
 */
function expected(op: OpCases, c: OpCase, precision: Precision): Record<string, Numbers> {
  // float32 and float64 are given the same numbers.
  const kind = isHalf(precision) ? precision : 'float32';
  let cases = known.get(kind);
  if (cases === undefined) known.set(kind, (cases = new Map<OpCase, Record<string, Numbers>>()));
  let outputs = cases.get(c);
  if (outputs !== undefined) return outputs;
  const round = roundingOf(op.op, c, precision);
  const inputs = inputsOf(op.op, c, round);
  outputs = { ...op.reference(asUsed(op.op, precision, inputs), c) };
  for (const [name, { accumulate, previous }] of Object.entries(c.outputs)) {
    // With a `previous` of its own the op is an update, and the reference knows what was there.
    if (!accumulate || previous !== undefined) continue;
    const before = previousOf(op.op, c, name, round);
    outputs[name] = Float64Array.from(outputs[name]!, (value, i) => value + before[i]!);
  }
  cases.set(c, outputs);
  return outputs;
}

/** A convolution takes its bias as its output is stored, as cuBLASLt does. */
function asUsed(
  op: string,
  precision: Precision,
  inputs: Record<string, Numbers>,
): Record<string, Numbers> {
  const { b } = inputs;
  if (op !== 'conv2d' || b === undefined || !isHalf(precision)) return inputs;
  return { ...inputs, b: fromHalf(precision, toHalf(precision, b)) };
}

/**
 * A sentence for each output that is missing, too much, or farther from the reference than allowed: by its
 * element type, or by `tolerance`.
 */
export function wrongOutputs(
  op: OpCases,
  c: OpCase,
  actual: Readonly<Record<string, Numbers>>,
  precision: Precision,
  tolerance?: Tolerance,
): string[] {
  const wanted = expected(op, c, precision);
  const wrong = Object.keys(actual)
    .filter((output) => wanted[output] === undefined)
    .map((output) => `${output} is no output of the reference`);
  for (const [output, values] of Object.entries(wanted)) {
    const found = actual[output];
    const dtype = storedAs(op.op, c, output, precision);
    const differs =
      tolerance === undefined
        ? (values: Numbers, from: Numbers) => storedDifference(dtype, values, from)
        : (values: Numbers, from: Numbers) => difference(values, from, tolerance);
    const problem = found === undefined ? 'is missing' : differs(found, values);
    if (problem !== undefined) wrong.push(`${output} ${problem}`);
  }
  return wrong;
}
