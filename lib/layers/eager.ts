import { ShapeError } from '../errors.js';
import { describe, invalid } from '../graph/options.js';

/** Shapes of an eager op's operands by name, the batch included. */
export type EagerShapes = Readonly<Record<string, readonly number[] | undefined>>;

/** An operand's shape of the given rank; `axes` says in words what they are. */
export function eagerShape(
  shapes: EagerShapes,
  name: string,
  axes: readonly string[],
): readonly number[] {
  const shape = shapes[name];
  if (shape?.length === axes.length) return shape;
  throw new ShapeError(
    `${name} is [${axes.join(', ')}], not ${shape === undefined ? 'left out' : `[${shape.join(', ')}]`}`,
    { remedy: 'Shapes of eager tensors include the batch.' },
  );
}

/** The attribute `kind` from an option of that name: one of the names in `kinds`. */
export function eagerKind(
  kinds: Readonly<Record<string, number>>,
): (shapes: EagerShapes, options: Readonly<Record<string, unknown>>) => { kind: number } {
  return (_shapes, { kind }) => {
    if (typeof kind === 'string' && Object.hasOwn(kinds, kind)) return { kind: kinds[kind]! };
    throw invalid(`kind is ${describe(kind)}`, `Kinds: ${Object.keys(kinds).join(', ')}.`);
  };
}

export const batchAxes = ['n', 'height', 'width', 'channels'] as const;
export const filterAxes = ['filterHeight', 'filterWidth', 'inChannels/groups', 'filters'] as const;
