import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import {
  invalid,
  oneOf,
  optional,
  padding,
  readOptions,
  real,
  type OptionRule,
  type OptionRules,
} from '../graph/options.js';
import { requireVolume, type Pair, type Shape, type Sides } from '../graph/shape.js';
import { defineOp, type AttributeValues } from '../program/op.js';
import { batchAxes, eagerShape } from './eager.js';

/** What stands around the volume. */
export type PadMode = 'constant' | 'reflect' | 'replicate';

/** In the order of the op's attribute. */
const modes: readonly PadMode[] = ['constant', 'reflect', 'replicate'];

interface Padding {
  readonly padding: Sides;
  readonly mode: PadMode;
  readonly value: number;
}

/** Pixels a side: `n`, `[h, w]`, or sides by name. */
const sides: OptionRule<Sides> = {
  read(value, where) {
    const read = padding.read(value, where);
    if (read !== 'same') return read;
    throw invalid(`${where} is 'same'`, 'Give a number, [h, w] or {top, right, bottom, left}.');
  },
};

const paddingRules: OptionRules<Padding> = {
  padding: sides,
  mode: optional(oneOf(modes), 'constant'),
  value: optional(real(), 0),
};

const attributeTypes = {
  padTop: 'int32',
  padLeft: 'int32',
  padBottom: 'int32',
  padRight: 'int32',
  mode: 'int32',
  value: 'float32',
} as const;

function attributesOf({ padding: { top, right, bottom, left }, mode, value }: Padding) {
  return {
    padTop: top,
    padLeft: left,
    padBottom: bottom,
    padRight: right,
    mode: modes.indexOf(mode),
    value,
  } satisfies AttributeValues;
}

/** A constant where nothing is constant is a mistake. */
function checkValue(kind: string, { mode, value }: Padding): void {
  if (mode === 'constant' || value === 0) return;
  throw invalid(`${kind}: mode '${mode}' takes no value`, "Leave value out, or mode: 'constant'.");
}

function paddedShape([height, width, channels]: Shape, options: Padding): [number, number, number] {
  const { top, right, bottom, left } = options.padding;
  if (
    options.mode === 'reflect' &&
    (Math.max(top, bottom) >= height! || Math.max(left, right) >= width!)
  ) {
    throw new ShapeError(
      `padding ${[top, right, bottom, left].join(', ')} is not smaller than the volume ${height}x${width} that is reflected`,
      {
        remedy: "Reflect at most one row and column less than there are, or use mode: 'replicate'.",
      },
    );
  }
  return [height! + top + bottom, width! + left + right, channels!];
}

export const padOp = defineOp({
  name: 'pad2d',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: attributeTypes,
  eager: {
    attributes: (_shapes, options) => attributesOf(readOptions('pad2d', paddingRules, options)),
    outputs(shapes, _attributes, options) {
      const [n, ...volume] = eagerShape(shapes, 'x', batchAxes);
      return {
        y: { shape: [n!, ...paddedShape(volume, readOptions('pad2d', paddingRules, options))] },
      };
    },
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(padBackwardOp, g.attributes, { dy, dx });
    });
  },
});

export const padBackwardOp = defineOp({
  name: 'pad2dBackward',
  operands: [
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes: attributeTypes,
  eager: {
    attributes: (_shapes, options) =>
      attributesOf(readOptions('pad2dBackward', paddingRules, options)),
    outputs(shapes, _attributes, options) {
      const [n, height, width, channels] = eagerShape(shapes, 'dy', batchAxes) as [
        number,
        number,
        number,
        number,
      ];
      const read = readOptions('pad2dBackward', paddingRules, options);
      const { top, right, bottom, left } = read.padding;
      const x = [height - top - bottom, width - left - right, channels];
      requirePixels(x, `dy is ${height}x${width}, less than its padding`);
      paddedShape(x, read);
      return { dx: { shape: [n, ...x] } };
    },
  },
});

function requirePixels([height, width]: Shape, message: string): void {
  if (height! >= 1 && width! >= 1) return;
  throw new ShapeError(message, { remedy: 'At least one pixel must be left.' });
}

export interface Pad2dOptions extends NamedOptions {
  /** Pixels around the volume: `n`, `[h, w]`, or `{top, right, bottom, left}`. */
  padding: Pair | Partial<Sides>;
  /**
   * What they hold: `value` (`'constant'`, the default), the volume mirrored at its border rows, which are
   * not repeated (`'reflect'`), or its border rows (`'replicate'`).
   */
  mode?: PadMode;
  /** For mode `'constant'`; default 0. */
  value?: number;
}

const make = defineLayer<Padding>({
  kind: 'pad2d',
  prefix: 'pad',
  arity: 1,
  options: paddingRules,
  shape([x], options) {
    requireVolume(x!);
    checkValue('pad2d', options);
    return paddedShape(x!, options);
  },
  window: (_inputs, { padding: { top, left } }) => ({
    size: [1, 1],
    stride: [1, 1],
    before: [top, left],
  }),
  flops: () => 0,
  forward(scope, [x], options) {
    const y = scope.tensor(scope.outputShape);
    scope.emit(padOp, attributesOf(options), { x, y });
    return y;
  },
});

/**
 * Rows and columns around a volume: `[H, W, C]` becomes `[H + top + bottom, W + left + right, C]`, as
 * PyTorch's `pad`. Layers with windows have zero padding as an option of their own, which copies nothing.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range, and for a
 * value beside a mode that has none; ShapeError, when the network is made, for reflected padding that is
 * not smaller than the volume.
 */
export function pad2d(options: Pad2dOptions): Layer {
  const layer = make(options);
  checkValue('pad2d', layer.options as unknown as Padding);
  return layer;
}

export interface ZeroPad2dOptions extends NamedOptions {
  /** Pixels around the volume: `n`, `[h, w]`, or `{top, right, bottom, left}`. */
  padding: Pair | Partial<Sides>;
}

/** `pad2d` with zeros. */
export function zeroPad2d(options: ZeroPad2dOptions): Layer {
  return make(options);
}

interface Cropping {
  readonly cropping: Sides;
}

export interface Crop2dOptions extends NamedOptions {
  /** Pixels that are taken away: `n` on every side, `[h, w]`, or `{top, right, bottom, left}`. */
  cropping: Pair | Partial<Sides>;
}

const makeCrop = defineLayer<Cropping>({
  kind: 'crop2d',
  prefix: 'crop',
  arity: 1,
  options: { cropping: sides },
  shape([x], { cropping: { top, right, bottom, left } }) {
    const [height, width, channels] = requireVolume(x!);
    const y = [height - top - bottom, width - left - right, channels];
    requirePixels(
      y,
      `cropping ${[top, right, bottom, left].join(', ')} leaves nothing of ${height}x${width}`,
    );
    return y;
  },
  window: (_inputs, { cropping: { top, left } }) => ({
    size: [1, 1],
    stride: [1, 1],
    before: [-top, -left],
  }),
  flops: () => 0,
  forward(scope, [x], { cropping: { top, right, bottom, left } }) {
    const y = scope.tensor(scope.outputShape);
    // Padding below zero; 0 - 0 is no negative zero.
    const away = { top: 0 - top, right: 0 - right, bottom: 0 - bottom, left: 0 - left };
    scope.emit(padOp, attributesOf({ padding: away, mode: 'constant', value: 0 }), { x, y });
    return y;
  },
});

/**
 * A volume without some of its rows and columns: `[H, W, C]` becomes
 * `[H - top - bottom, W - left - right, C]`.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range;
 * ShapeError, when the network is made, for a volume of which nothing is left.
 */
export function crop2d(options: Crop2dOptions): Layer {
  return makeCrop(options);
}
