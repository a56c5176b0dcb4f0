import type { Access } from './program.js';
import { bytesOf } from './program.js';
import { concatMark, type Step } from './tape.js';
import type { Storage, Tensor } from './tensor.js';
import { coversStorage, elementsOf, product } from './views.js';

/** A volume of the forward pass that may be dropped after its last use there, and made again. */
export interface Value {
  readonly index: number;
  readonly storage: Storage;
  readonly bytes: number;
  /** The step that writes it, and as which operand. */
  readonly producer: number;
  readonly output: string;
  /** The op writes it only where somebody reads it. */
  readonly optional: boolean;
  /** Steps after the forward pass that read it, in order. */
  readonly lateReads: number[];
  /** The value of a concatenation in which it lies. */
  readonly within: number;
}

/** What the planner of rebuilds knows of one step. */
export interface Node {
  readonly step: Step;
  /** Values that it reads, and that it writes. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Values that making its outputs again reads. */
  readonly inputs: readonly number[];
  /** Additions and multiplications for the whole batch; 1 an element where nothing is multiplied. */
  readonly cost: number;
  readonly light: boolean;
  /** Everything else in the arena that it touches, by number of `fixed`. */
  readonly fixed: readonly number[];
  /** Pairs [out, in] of what may share memory; values from 0 on, fixed ones as -1 - number. */
  readonly inPlace: readonly (readonly [number, number])[];
  /** Bytes of its workspace. */
  readonly workspace: number;
}

/** A training program's steps as a graph of values. */
export interface RebuildGraph {
  readonly nodes: readonly Node[];
  readonly values: readonly Value[];
  /** Steps of the forward pass. */
  readonly forward: number;
  /** Bytes of what is in the arena and is no value. */
  readonly fixed: readonly number[];
  readonly byStorage: ReadonlyMap<Storage, Value>;
}

/** Reads the steps; `kept` is read after the run. Sizes are those of a batch. */
export function graphOf(
  batch: number,
  steps: readonly Step[],
  kept: readonly { tensor: Tensor; readonly access: Access }[],
): RebuildGraph {
  const sizeOf = (s: Storage): number => (s.fixed + s.perImage * batch) * bytesOf[s.dtype];
  const end = steps.findIndex(({ phase }) => phase !== 'forward');
  const forward = end < 0 ? steps.length : end;
  const values = findValues(steps, forward, kept, sizeOf);
  const byStorage = new Map(values.map((value) => [value.storage, value]));
  const fixedNumbers = new Map<Storage, number>();
  const fixed: number[] = [];
  const numberOf = (storage: Storage): number => {
    const value = byStorage.get(storage);
    if (value !== undefined) return value.index;
    let number = fixedNumbers.get(storage);
    if (number === undefined) {
      number = fixed.length;
      fixedNumbers.set(storage, number);
      fixed.push(sizeOf(storage));
    }
    return -1 - number;
  };
  const nodes = steps.map((step): Node => {
    const operands = [...step.operands];
    const touched = operands.filter(([, { tensor }]) => tensor.storage.region === undefined);
    const numbers = (test: (access: Access) => boolean): number[] =>
      touched
        .filter(([, { access }]) => test(access))
        .map(([, { tensor }]) => numberOf(tensor.storage));
    const reads = numbers((access) => access === 'read').filter((n) => n >= 0);
    const needed = new Set(step.op.rebuild?.op.operands.map(({ name }) => name) ?? []);
    const inputs = touched.filter(
      ([name, { access }]) => access === 'read' && (needed.size === 0 || needed.has(name)),
    );
    const pair = ([out, given]: readonly [string, string]): [number, number][] => {
      const [y, x] = [step.operands.get(out), step.operands.get(given)];
      if (!y || !x || y.tensor.storage.region || x.tensor.storage.region) return [];
      return [[numberOf(y.tensor.storage), numberOf(x.tensor.storage)]];
    };
    const workspace = step.operands.get('workspace');
    return {
      step,
      reads,
      writes: numbers((access) => access !== 'read').filter((n) => n >= 0),
      inputs: inputs.map(([, { tensor }]) => numberOf(tensor.storage)).filter((n) => n >= 0),
      cost: costOf(step) * batch,
      light: step.op === concatMark || step.op.light === true,
      fixed: numbers(() => true)
        .filter((n) => n < 0)
        .map((n) => -1 - n),
      inPlace: (step.op.inPlace ?? []).flatMap(pair),
      workspace: workspace === undefined ? 0 : sizeOf(workspace.tensor.storage),
    };
  });
  return { nodes, values, forward, fixed, byStorage };
}

/** Written once, by a step of the forward pass, and read by nobody outside. */
function findValues(
  steps: readonly Step[],
  forward: number,
  kept: readonly { tensor: Tensor }[],
  sizeOf: (s: Storage) => number,
): Value[] {
  const written = new Map<Storage, { producer: number; output: string; times: number }>();
  const readLate = new Map<Storage, number[]>();
  steps.forEach((step, i) => {
    for (const [name, { tensor, access }] of step.operands) {
      const { storage } = tensor;
      if (access === 'read') {
        if (i < forward) continue;
        const reads = readLate.get(storage);
        if (reads === undefined) readLate.set(storage, [i]);
        else if (reads.at(-1) !== i) reads.push(i);
        continue;
      }
      const known = written.get(storage);
      const single = access === 'overwrite' && known === undefined && i < forward;
      written.set(storage, { producer: i, output: name, times: single ? 1 : 2 });
    }
  });
  const outside = new Set(kept.map(({ tensor }) => tensor.storage));
  const isValue = (storage: Storage, producer: number, output: string): boolean => {
    if (storage.region !== undefined || storage.category !== 'activations') return false;
    if (outside.has(storage)) return false;
    // Of an op with a lesser form its other outputs are kept: that form reads them.
    const { rebuild, operands } = steps[producer]!.op;
    const first = operands.find(({ role }) => role === 'out')?.name;
    return rebuild === undefined || output === first;
  };
  const values: Value[] = [];
  for (const [storage, { producer, output, times }] of written) {
    if (times !== 1 || !isValue(storage, producer, output)) continue;
    const spec = steps[producer]!.op.operands.find(({ name }) => name === output);
    values.push({
      index: values.length,
      storage,
      bytes: sizeOf(storage),
      producer,
      output,
      optional: spec?.optional === true,
      lateReads: readLate.get(storage) ?? [],
      within: -1,
    });
  }
  return placedInConcats(steps, values);
}

/** Notes which values will lie in that of a concatenation, as `placeConcats` puts them. */
function placedInConcats(steps: readonly Step[], values: readonly Value[]): Value[] {
  const byStorage = new Map(values.map((value) => [value.storage, value]));
  const within = new Map<Storage, number>();
  for (const step of steps) {
    if (step.op !== concatMark) continue;
    const whole = byStorage.get(step.operands.get('y')!.tensor.storage);
    if (whole === undefined) continue;
    for (const [name, { tensor }] of step.operands)
      if (name !== 'y' && coversStorage(tensor) && !within.has(tensor.storage))
        within.set(tensor.storage, whole.index);
  }
  return values.map((value) => ({ ...value, within: within.get(value.storage) ?? -1 }));
}

/**
 * For one image. A product with filters counts 2 for each of their elements and each position of the
 * convolution's output, forward and for both gradients.
 */
function costOf({ op, operands }: Step): number {
  const w = operands.get('w')?.tensor ?? operands.get('dw')?.tensor;
  const places = operands.get('dy')?.tensor ?? operands.get('y')?.tensor;
  if (w?.shape.length === 4 && places !== undefined && op.light !== true)
    return 2 * product(w.shape) * product(places.shape.slice(0, -1));
  let elements = w === undefined ? 0 : 2 * elementsOf(w);
  for (const { tensor, access } of operands.values())
    if (access !== 'read' && tensor.storage.category !== 'workspace')
      elements += elementsOf(tensor);
  return elements;
}
