import { StriateError } from '../errors.js';
import type { AttributeValues, OpDefinition, Target } from './op.js';
import type { Access, Phase } from './program.js';
import type { Storage, Tensor } from './tensor.js';

/** An operand while the program is built. Passes that move a value write the new view here. */
export interface TapeOperand {
  tensor: Tensor;
  readonly access: Access;
}

/** One instruction to be. Operands stand in the op's order. */
export interface Step {
  readonly op: OpDefinition;
  attributes: AttributeValues;
  readonly operands: Map<string, TapeOperand>;
  readonly layer: string;
  readonly phase: Phase;
}

/**
 * Joins along channels. Not an op of any device: it vanishes where the producers can write into their
 * range, and becomes copies elsewhere.
 */
export const concatMark: OpDefinition = { name: 'concat', operands: [], attributes: {} };

/** Checks the operands against the op's roles; `in` is read, `out` overwritten unless said otherwise. */
export function makeStep(
  op: OpDefinition,
  attributes: AttributeValues,
  operands: Record<string, Tensor | Target | undefined>,
  place: { layer: string; phase: Phase },
): Step {
  const given = new Map<string, TapeOperand>();
  for (const { name, role, optional } of op.operands) {
    const operand = operands[name];
    if (operand === undefined) {
      if (!optional) throw misuse(op, place.layer, `operand ${name} is missing`);
      continue;
    }
    const isTarget = 'access' in operand;
    if (role === 'in' && isTarget) throw misuse(op, place.layer, `operand ${name} is only read`);
    const tensor = isTarget ? operand.tensor : operand;
    const access = isTarget ? operand.access : role === 'in' ? 'read' : 'overwrite';
    given.set(name, { tensor, access });
  }
  for (const name of Object.keys(operands))
    if (!op.operands.some((o) => o.name === name))
      throw misuse(op, place.layer, `there is no operand ${name}`);
  for (const name of Object.keys(op.attributes))
    if (attributes[name] === undefined && name !== 'reserved')
      throw misuse(op, place.layer, `attribute ${name} is missing`);
  return { op, attributes, operands: given, ...place };
}

function misuse(op: OpDefinition, layer: string, what: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `${layer}: op ${op.name}: ${what}`, {
    remedy: 'correct the forward or backward function that emits this op',
  });
}

/** Where a storage is touched: by a step, or (step undefined) by what is read after the run. */
export interface Use {
  readonly step: number | undefined;
  readonly operand: { tensor: Tensor; readonly access: Access };
}

/** Every use of every storage; moves values from one storage into another. */
export class Uses {
  readonly #byStorage = new Map<Storage, Use[]>();

  constructor(
    steps: readonly Step[],
    kept: readonly { tensor: Tensor; readonly access: Access }[],
  ) {
    steps.forEach((step, i) => {
      for (const operand of step.operands.values()) this.add({ step: i, operand });
    });
    for (const operand of kept) this.add({ step: undefined, operand });
  }

  of(storage: Storage): readonly Use[] {
    return this.#byStorage.get(storage) ?? [];
  }

  /**
   * Puts the rows of a storage, `width` elements each, into the rows of another, `pitch` apart from
   * `offset` on. The views must be row-wise (`fitsRows`), or the rows dense in both (pitch = width).
   */
  move(
    storage: Storage,
    to: { storage: Storage; offset: number; width: number; pitch: number },
  ): void {
    const moved = this.#byStorage.get(storage) ?? [];
    for (const { operand } of moved) {
      const t = operand.tensor;
      operand.tensor = {
        ...t,
        storage: to.storage,
        offset: to.offset + t.offset,
        pitch: to.pitch === to.width ? t.pitch : to.pitch,
      };
    }
    this.#byStorage.delete(storage);
    const target = this.#byStorage.get(to.storage);
    if (target === undefined) this.#byStorage.set(to.storage, moved);
    else target.push(...moved);
  }

  /** Whether all views of a storage are ranges of rows of `width` elements. */
  fitsRows(storage: Storage, width: number): boolean {
    return this.of(storage).every(({ operand: { tensor: t } }) => {
      const row = t.shape.at(-1) ?? 1;
      return t.pitch === width && t.offset + row <= width;
    });
  }

  add(use: Use): void {
    const { storage } = use.operand.tensor;
    const uses = this.#byStorage.get(storage);
    if (uses === undefined) this.#byStorage.set(storage, [use]);
    else uses.push(use);
  }
}
