import type { Network } from '../graph/network.js';
import type { NetworkNode } from '../graph/nodes.js';
import type { Shape } from '../graph/shape.js';

/** What one pixel of a volume sees of the network's input; pairs are `[vertical, horizontal]`. */
export interface ReceptiveField {
  /** Pixels that it sees; those that lie in the padding are counted. */
  readonly size: readonly [number, number];
  /** Pixels of the input from the field of one pixel to that of the next; 0 where there is only one. */
  readonly stride: readonly [number, number];
  /** Where the centre of the first pixel's field lies; 0 is the centre of the input's first pixel. */
  readonly offset: readonly [number, number];
}

/** Along one axis: the first pixel's field [first, last], in pixels, and the step to the next. */
interface Span {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}
type Field = readonly [Span, Span];

/**
 * The receptive field of each node, by id: undefined for what is no image and for what has no one answer
 * (branches of different strides that meet, layers that do not say what they see). Where branches meet,
 * the field covers all of them.
 */
export function receptiveFields(network: Network): (ReceptiveField | undefined)[] {
  const fields: (Field | undefined)[] = [];
  for (const node of network.nodes) fields.push(fieldOf(network, node, fields));
  return fields.map((field) => field && described(field));
}

function fieldOf(
  network: Network,
  { layer, inputs, shape }: NetworkNode,
  fields: readonly (Field | undefined)[],
): Field | undefined {
  const pixel: Span = { first: 0, last: 0, step: 1 };
  if (layer === null) return shape.length === 3 ? [pixel, pixel] : undefined;
  const sources = inputs.map((id) => network.nodes[id]!);
  const shapes = sources.map((source) => source.shape);
  const context = { fit: network.fit, batched: sources.map((source) => source.batched) };
  const window = layer.definition.window?.(shapes, layer.options, context);
  const seen = inputs.map((id) => fields[id]);
  if (window === 'whole') return wholeOf(shapes, seen);
  if (window !== undefined) {
    const [field] = seen;
    return field && ([0, 1].map((axis) => widened(field[axis]!, window, axis)) as unknown as Field);
  }
  const own = sources.every(({ shape: from }) => samePlane(from, shape));
  return own ? union(seen) : undefined;
}

const samePlane = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && (a.length < 3 || (a[0] === b[0] && a[1] === b[1]));

/** A vector counts as one pixel, which sees what all pixels of its inputs see. */
function wholeOf(
  shapes: readonly Shape[],
  seen: readonly (Field | undefined)[],
): Field | undefined {
  const all = seen.map((field, i) => {
    const extents = shapes[i]!.length === 3 ? shapes[i]! : [1, 1];
    return field?.map(({ first, last, step }, axis) => ({
      first,
      last: last + (extents[axis]! - 1) * step,
      step: 0,
    })) as Field | undefined;
  });
  return union(all);
}

function widened(
  { first, last, step }: Span,
  {
    size,
    stride,
    before,
  }: { size: readonly number[]; stride: readonly number[]; before: readonly number[] },
  axis: number,
): Span {
  return {
    first: first - before[axis]! * step,
    last: last + (size[axis]! - 1 - before[axis]!) * step,
    step: step * stride[axis]!,
  };
}

function union(fields: readonly (Field | undefined)[]): Field | undefined {
  if (fields.length === 0 || fields.includes(undefined)) return undefined;
  const known = fields as readonly Field[];
  const along = (axis: 0 | 1): Span | undefined => {
    const spans = known.map((field) => field[axis]);
    const { step } = spans[0]!;
    if (spans.some((span) => span.step !== step)) return undefined;
    return {
      first: Math.min(...spans.map((span) => span.first)),
      last: Math.max(...spans.map((span) => span.last)),
      step,
    };
  };
  const [h, w] = [along(0), along(1)];
  return h && w && [h, w];
}

function described([h, w]: Field): ReceptiveField {
  return {
    size: [h.last - h.first + 1, w.last - w.first + 1],
    stride: [h.step, w.step],
    offset: [(h.first + h.last) / 2, (w.first + w.last) / 2],
  };
}
