import { StriateError } from '../errors.js';
import type { ParameterSettings } from '../optimizers/optimizer.js';
import { align } from './arena.js';
import { bytesOf, type Program, type ProgramParameter } from './program.js';
import { product } from './views.js';

/** Where parameters and state lie: a program has it, and programs that share memory have the same. */
export interface Layout {
  readonly parameters: readonly ProgramParameter[];
  readonly bytes: Readonly<Pick<Program['bytes'], 'parameters' | 'state' | 'gradients'>>;
}

export interface SlabEntry {
  name: string;
  shape: readonly number[];
  region: 'parameters' | 'state';
  trainable: boolean;
}

/**
 * Gives every parameter its place, 64-byte aligned. Trainable ones come first, in the order given:
 * their part of the slab is as long as the gradient slab and each optimizer slot, with equal offsets.
 */
export function layOut(entries: readonly SlabEntry[], dtype: 'float32' | 'float64'): Layout {
  const bytes = { parameters: 0, state: 0, gradients: 0 };
  const parameters: ProgramParameter[] = [];
  const sorted = [...entries.filter((e) => e.trainable), ...entries.filter((e) => !e.trainable)];
  for (const { name, shape, region, trainable } of sorted) {
    const elements = product(shape);
    parameters.push({
      name,
      shape: [...shape],
      dtype,
      region,
      offset: bytes[region],
      elements,
      trainable,
    });
    bytes[region] += align(elements * bytesOf[dtype]);
    if (trainable) bytes.gradients = bytes.parameters;
  }
  return { parameters, bytes };
}

/** Asserts that another program's layout holds exactly these parameters. */
export function checkLayout(
  layout: Layout,
  entries: readonly SlabEntry[],
  dtype: 'float32' | 'float64',
): void {
  const known = new Map(layout.parameters.map((p) => [p.name, p]));
  for (const { name, shape, region } of entries) {
    const found = known.get(name);
    if (found === undefined) throw mismatch(`it has no ${name}`);
    const same = found.shape.length === shape.length && found.shape.every((e, i) => e === shape[i]);
    if (!same || found.region !== region || found.dtype !== dtype)
      throw mismatch(`${name} is ${found.dtype} [${found.shape.join(', ')}] in ${found.region}`);
  }
  if (known.size !== entries.length) throw mismatch('it holds parameters of another network');
}

function mismatch(what: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `the layout is not that of this network: ${what}`, {
    remedy: 'give the program that was compiled from the same network, in the same dtype',
  });
}

/** Byte offset of a parameter's optimizer slot in the region `optimizer`. */
export function slotOffset(program: Program, slot: string, parameter: ProgramParameter): number {
  const index = program.slots.indexOf(slot);
  if (index < 0 || !parameter.trainable)
    throw new StriateError('INVALID_ARGUMENT', `${parameter.name} has no optimizer slot ${slot}`, {
      remedy: `slots are ${program.slots.join(', ') || 'none'}; frozen parameters have none`,
    });
  return index * program.bytes.gradients + parameter.offset;
}

/**
 * The table of segments [count, 4] of the trainable slab: first element, elements, and the bits of
 * two float32, the scale of the learning rate and the weight decay.
 */
export function segmentTable(
  layout: Layout,
  settingsOf: (parameter: string) => ParameterSettings,
): { rows: number; bytes: Uint8Array } {
  const trainable = layout.parameters.filter((p) => p.trainable);
  const table = new Int32Array(trainable.length * 4);
  const floats = new Float32Array(table.buffer);
  trainable.forEach((p, row) => {
    const { learningRateScale, weightDecay } = settingsOf(p.name);
    table[4 * row] = p.offset / bytesOf[p.dtype];
    table[4 * row + 1] = p.elements;
    floats[4 * row + 2] = learningRateScale;
    floats[4 * row + 3] = weightDecay;
  });
  return { rows: trainable.length, bytes: new Uint8Array(table.buffer) };
}
