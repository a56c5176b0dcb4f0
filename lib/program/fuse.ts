import { copy } from './copy.js';
import type { Access } from './program.js';
import { concatMark, Uses, type Step, type Use } from './tape.js';
import type { Tensor } from './tensor.js';
import {
  channelRange,
  coversStorage,
  elementsOf,
  overlaps,
  reshapeView,
  rowOf,
  sameElements,
} from './views.js';

type Kept = readonly { tensor: Tensor; readonly access: Access }[];

/**
 * A convolution whose output goes only through a rectifier writes the rectified values itself. The
 * rectifier's gradient reads its output, so the value between the two is never needed.
 */
export function fuseConvRelu(steps: readonly Step[], kept: Kept): Step[] {
  const uses = new Uses(steps, kept);
  const dropped = new Set<Step>();
  steps.forEach((step, i) => {
    if (step.op.name !== 'relu') return;
    const x = step.operands.get('x')!;
    const y = step.operands.get('y')!;
    const producer = onlyProducer(uses.of(x.tensor.storage), steps, i);
    const written = producer?.operands.get('y');
    if (producer?.op.name !== 'conv2d' || producer.attributes.activation !== 0) return;
    if (written === undefined || written.access !== 'overwrite' || y.access !== 'overwrite') return;
    // A convolution that reads what the rectifier reads is no producer of it.
    if (written.tensor.storage !== x.tensor.storage) return;
    if (!coversStorage(written.tensor) || !coversStorage(x.tensor)) return;
    const view = reshapeView(y.tensor, written.tensor.shape);
    if (view === undefined) return;
    written.tensor = view;
    producer.attributes = { ...producer.attributes, activation: 1 };
    dropped.add(step);
  });
  return steps.filter((step) => !dropped.has(step));
}

/** The step that writes a storage, where `reader` alone reads it. */
function onlyProducer(
  uses: readonly Use[],
  steps: readonly Step[],
  reader: number,
): Step | undefined {
  if (uses.length !== 2) return undefined;
  const other = uses.find((use) => use.step !== reader);
  return other?.step === undefined ? undefined : steps[other.step];
}

/**
 * Takes concatenations away: a producer writes straight into its range of channels where all that
 * touches its output can do so by rows; a copy is left elsewhere (a value that stands in two
 * concatenations, an input of the network, an output that the caller reads).
 */
export function placeConcats(steps: readonly Step[], kept: Kept): Step[] {
  const uses = new Uses(steps, kept);
  const keptStorages = new Set(kept.map((k) => k.tensor.storage));
  return steps.flatMap((step, i) => {
    if (step.op !== concatMark) return [step];
    const y = step.operands.get('y')!;
    const copies: Step[] = [];
    let begin = 0;
    for (const [name, x] of step.operands) {
      if (name === 'y') continue;
      const width = rowOf(x.tensor);
      const { storage } = x.tensor;
      const inPlace =
        storage.region === undefined &&
        storage !== y.tensor.storage &&
        !keptStorages.has(storage) &&
        storage.dtype === y.tensor.dtype &&
        coversStorage(x.tensor) &&
        uses.fitsRows(storage, width);
      // The range is taken of the view as it stands now: y may itself have been placed.
      const range = channelRange(y.tensor, begin, width);
      if (inPlace) {
        uses.move(storage, {
          storage: range.storage,
          offset: range.offset,
          width,
          pitch: range.pitch,
        });
      } else {
        const made = copyStep(step, x.tensor, range);
        for (const operand of made.operands.values()) uses.add({ step: i, operand });
        copies.push(made);
      }
      begin += width;
    }
    return copies;
  });
}

function copyStep(step: Step, x: Tensor, y: Tensor): Step {
  return {
    op: copy,
    attributes: { alpha: 1, beta: 0 },
    operands: new Map([
      ['x', { tensor: x, access: 'read' }],
      ['y', { tensor: y, access: 'overwrite' }],
    ]),
    layer: step.layer,
    phase: step.phase,
  };
}

/**
 * Lets an op write where it reads: its definition allows the pair, the value read is not needed later,
 * and the memory written is not in use before.
 */
export function runInPlace(steps: readonly Step[], kept: Kept): void {
  const uses = new Uses(steps, kept);
  steps.forEach((step, i) => {
    for (const [outName, inName] of step.op.inPlace ?? []) {
      const out = step.operands.get(outName);
      const input = step.operands.get(inName);
      if (out === undefined || input?.access !== 'read' || out.access !== 'overwrite') continue;
      if (canShare(uses, step, i, outName, inName) && share(uses, out.tensor, input.tensor)) return;
    }
  });
}

function canShare(uses: Uses, step: Step, i: number, outName: string, inName: string): boolean {
  const y = step.operands.get(outName)!.tensor;
  const x = step.operands.get(inName)!.tensor;
  if (x.storage.region !== undefined || y.storage.region !== undefined) return false;
  if (x.storage === y.storage || x.dtype !== y.dtype || x.batched !== y.batched) return false;
  if (elementsOf(x) !== elementsOf(y)) return false;
  const allowed = (name: string): boolean =>
    (step.op.inPlace ?? []).some(([a, b]) => a === outName && b === name);
  for (const [name, { tensor }] of step.operands)
    if (name !== inName && overlaps(tensor, x) && !(allowed(name) && sameElements(tensor, x)))
      return false;
  const after = (use: Use): boolean => use.step === undefined || use.step > i;
  const before = (use: Use): boolean => use.step !== undefined && use.step < i;
  return (
    !uses.of(x.storage).some((use) => after(use) && overlaps(use.operand.tensor, x)) &&
    !uses.of(y.storage).some((use) => before(use) && overlaps(use.operand.tensor, y))
  );
}

/** Moves one value's storage into that of the other; false where the views of neither can move. */
function share(uses: Uses, y: Tensor, x: Tensor): boolean {
  if (coversStorage(x) && coversStorage(y)) {
    uses.move(y.storage, { storage: x.storage, offset: 0, width: 1, pitch: 1 });
    return true;
  }
  // y is a range of a wider volume: x is made there at once.
  const width = rowOf(x);
  if (coversStorage(x) && rowOf(y) === width && uses.fitsRows(x.storage, width)) {
    uses.move(x.storage, { storage: y.storage, offset: y.offset, width, pitch: y.pitch });
    return true;
  }
  return false;
}
