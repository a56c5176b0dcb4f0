import { StriateError } from '../errors.js';
import { checkNames } from '../graph/options.js';
import type { Precision } from '../program/precision.js';

/** How the loss scale of float16 training moves; the names and defaults of PyTorch's GradScaler. */
export interface LossScaleOptions {
  /** The scale of the first step; default 65536. */
  initial?: number;
  /** Multiplies the scale after `interval` steps without overflow; default 2. */
  growth?: number;
  /** Multiplies the scale after a step that overflowed; default 0.5. */
  backoff?: number;
  /** Steps in a row without overflow before the scale grows; default 2000. */
  interval?: number;
}

/** The loss scale and what has led to it. */
export interface LossScaleState {
  /** What the next step multiplies its loss by. */
  scale: number;
  /** Steps without overflow since the scale changed last. */
  goodSteps: number;
  /** Steps that overflowed and changed nothing. */
  skippedSteps: number;
}

/** What a checkpoint holds of it. */
export type SavedLossScale = Required<LossScaleOptions> & LossScaleState;

const defaults = { initial: 65536, growth: 2, backoff: 0.5, interval: 2000 };

/** Below this no gradient that overflows is still helped. */
const least = 2 ** -24;

/** The dynamic loss scale of a trainer. */
export class LossScale {
  readonly #rule: Required<LossScaleOptions>;
  #state: LossScaleState;

  private constructor(rule: Required<LossScaleOptions>, state: LossScaleState) {
    this.#rule = rule;
    this.#state = state;
  }

  /**
   * That of a trainer; undefined for precisions that need none. A number is a scale that stays. What is
   * left out is as the checkpoint has it.
   */
  static of(
    precision: Precision,
    options: number | LossScaleOptions | undefined,
    saved: SavedLossScale | null | undefined,
  ): LossScale | undefined {
    if (precision !== 'float16') return undefined;
    const given =
      typeof options === 'number'
        ? { initial: options, growth: 1, backoff: 1, interval: defaults.interval }
        : (options ?? {});
    const { scale, goodSteps = 0, skippedSteps = 0, ...before } = saved ?? {};
    const rule = { ...defaults, ...before, ...given };
    const goesOn = typeof options === 'number' ? undefined : scale;
    return new LossScale(rule, { scale: goesOn ?? rule.initial, goodSteps, skippedSteps });
  }

  get state(): LossScaleState {
    return { ...this.#state };
  }

  toJSON(): SavedLossScale {
    return { ...this.#rule, ...this.#state };
  }

  /** After a step that changed the parameters. */
  stepped(): void {
    const { growth, interval } = this.#rule;
    const { scale, skippedSteps } = this.#state;
    const goodSteps = this.#state.goodSteps + 1;
    const grows = goodSteps >= interval && Number.isFinite(Math.fround(scale * growth));
    this.#state = grows
      ? { scale: scale * growth, goodSteps: 0, skippedSteps }
      : { scale, goodSteps, skippedSteps };
  }

  /** After a step whose gradients were not finite; false where no scale can help any more. */
  overflowed(): boolean {
    const { scale, skippedSteps } = this.#state;
    const smaller = scale * this.#rule.backoff;
    if (smaller < least) return false;
    this.#state = { scale: smaller, goodSteps: 0, skippedSteps: skippedSteps + 1 };
    return true;
  }
}

/** @throws StriateError `INVALID_ARGUMENT` */
export function checkLossScale(
  options: number | LossScaleOptions | undefined,
  precision: Precision,
): void {
  if (options === undefined) return;
  if (precision !== 'float16')
    throw refused(`precision ${precision} has no loss scale`, "Leave it out, or use 'float16'.");
  if (typeof options !== 'number' && (typeof options !== 'object' || (options as unknown) === null))
    throw refused(
      'lossScale is neither a number nor an object',
      'Give a scale that stays, or { initial, growth, backoff, interval }.',
    );
  const given = typeof options === 'number' ? { initial: options } : options;
  checkNames('lossScale', Object.keys(defaults), given);
  const rules: Record<keyof LossScaleOptions, [holds: (v: number) => boolean, rule: string]> = {
    initial: [(v) => v >= least && v <= 2 ** 100, 'from 2^-24 to 2^100'],
    growth: [(v) => v >= 1 && Number.isFinite(v), '1 or more'],
    backoff: [(v) => v > 0 && v <= 1, 'above 0 and at most 1'],
    interval: [(v) => Number.isSafeInteger(v) && v >= 1, 'a whole number from 1'],
  };
  for (const [name, [holds, rule]] of Object.entries(rules)) {
    const value = given[name as keyof LossScaleOptions];
    if (value === undefined || (typeof value === 'number' && holds(value))) continue;
    throw refused(`lossScale: ${name} is ${String(value)}`, `Give a number, ${rule}.`);
  }
}

function refused(message: string, remedy: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', message, { remedy });
}

/** Whether a checkpoint's entry is one that `toJSON` wrote. */
export function isSavedLossScale(value: unknown): value is SavedLossScale {
  if (typeof value !== 'object' || value === null) return false;
  const saved = value as Record<string, unknown>;
  const names = [...Object.keys(defaults), 'scale', 'goodSteps', 'skippedSteps'];
  const sound = names.every((name) => {
    const number = saved[name];
    return typeof number === 'number' && Number.isFinite(number) && number >= 0;
  });
  return sound && saved.scale !== 0;
}
