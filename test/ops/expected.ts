// What a case's outputs are to be.
import { inputsOf, previousOf, type Numbers, type OpCase, type OpCases } from './cases.js';
import { difference, type Tolerance } from './compare.js';

const known = new Map<OpCase, Record<string, Numbers>>();

/** The reference, plus what an accumulating output held before; computed once for all runs. */
function expected(op: OpCases, c: OpCase): Record<string, Numbers> {
  let outputs = known.get(c);
  if (outputs !== undefined) return outputs;
  outputs = { ...op.reference(inputsOf(op.op, c), c) };
  for (const [name, { accumulate, previous }] of Object.entries(c.outputs)) {
    // With a `previous` of its own the op is an update, and the reference knows what was there.
    if (!accumulate || previous !== undefined) continue;
    const before = previousOf(op.op, c, name);
    outputs[name] = Float64Array.from(outputs[name]!, (value, i) => value + before[i]!);
  }
  known.set(c, outputs);
  return outputs;
}

/** A sentence for each output that is missing, too much, or farther from the reference than allowed. */
export function wrongOutputs(
  op: OpCases,
  c: OpCase,
  actual: Readonly<Record<string, Numbers>>,
  tolerance: Tolerance,
): string[] {
  const wanted = expected(op, c);
  const wrong = Object.keys(actual)
    .filter((output) => wanted[output] === undefined)
    .map((output) => `${output} is no output of the reference`);
  for (const [output, values] of Object.entries(wanted)) {
    const found = actual[output];
    const problem = found === undefined ? 'is missing' : difference(found, values, tolerance);
    if (problem !== undefined) wrong.push(`${output} ${problem}`);
  }
  return wrong;
}
