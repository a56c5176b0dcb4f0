import { ShapeError } from '../errors.js';

/** A volume without the batch: `[height, width, channels]`, `[features]`, or `[]` for a number. */
export type Shape = readonly number[];

/** What to do when the windows do not tile the padded volume: refuse, floor, or ceil. */
export type Fit = 'exact' | 'crop' | 'pad';

/** The same for both axes, or `[height, width]`. */
export type Pair = number | readonly [number, number];

/** Zeros around a volume, in pixels a side. */
export interface Sides {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

/**
 * `n` on every side, `[h, w]` above and below, left and right, or side by side (those left out are 0).
 * `'valid'`: none. `'same'`: the output has `ceil(in / stride)` rows and columns; an odd row or column
 * of padding goes to the bottom or the right.
 */
export type Padding = number | readonly [number, number] | Partial<Sides> | 'same' | 'valid';

/** A window that slides over a volume, with every option spelt out. */
export interface WindowOptions {
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Sides | 'same';
  readonly dilation: readonly [number, number];
}

/** Where the windows lie: the padding in pixels and the output's extents. */
export interface WindowGeometry {
  readonly padding: Sides;
  readonly height: number;
  readonly width: number;
}

export function toPair(value: Pair): [number, number] {
  return typeof value === 'number' ? [value, value] : [value[0], value[1]];
}

export function toSides(padding: Padding): Sides | 'same' {
  if (padding === 'same') return 'same';
  if (padding === 'valid') return { top: 0, right: 0, bottom: 0, left: 0 };
  if (typeof padding === 'object' && !isPair(padding)) {
    const { top = 0, right = 0, bottom = 0, left = 0 } = padding;
    return { top, right, bottom, left };
  }
  const [h, w] = toPair(padding);
  return { top: h, right: w, bottom: h, left: w };
}

function isPair(
  padding: readonly [number, number] | Partial<Sides>,
): padding is readonly [number, number] {
  return Array.isArray(padding);
}

/** Pixels that a filter of `size` covers: `dilation` 1 is a contiguous filter. */
export function extentOf(size: number, dilation: number): number {
  return dilation * (size - 1) + 1;
}

interface Axis {
  readonly name: 'height' | 'width';
  /** Pixels of the volume. */
  readonly input: number;
  readonly size: number;
  readonly dilation: number;
  /** Pixels that the window covers: `extentOf(size, dilation)`. */
  readonly window: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
}

/**
 * Places windows over an `[h, w]` plane: the output has `(W - F + 2P)/S + 1` pixels along each axis.
 *
 * A number that is not whole is refused with `fit: 'exact'`, rounded down with `'crop'` (PyTorch), and
 * rounded up with `'pad'` (Caffe's pooling), where a last window that starts in the padding after the
 * volume is dropped (PyTorch and Caffe). `'same'` says how large the output is, so it always fits.
 *
 * @throws ShapeError with the formula and the nearest settings that fit.
 */
export function placeWindows(
  height: number,
  width: number,
  options: WindowOptions,
  fit: Fit,
): WindowGeometry {
  const along = (name: 'height' | 'width', axis: 0 | 1, input: number): Axis => {
    const [size, dilation, stride] = [
      options.size[axis],
      options.dilation[axis],
      options.stride[axis],
    ];
    const window = extentOf(size, dilation);
    const given = { name, input, size, dilation, window, stride };
    if (options.padding === 'same') return { ...given, ...sameSides(input, window, stride) };
    const { top, right, bottom, left } = options.padding;
    const [before, after] = axis === 0 ? [top, bottom] : [left, right];
    return { ...given, before, after };
  };
  const rows = along('height', 0, height);
  const columns = along('width', 1, width);
  const rule = options.padding === 'same' ? 'crop' : fit;
  return {
    padding: { top: rows.before, right: columns.after, bottom: rows.after, left: columns.before },
    height: outputOf(rows, rule),
    width: outputOf(columns, rule),
  };
}

function sameSides(
  input: number,
  window: number,
  stride: number,
): { before: number; after: number } {
  const output = Math.ceil(input / stride);
  const total = Math.max(0, (output - 1) * stride + window - input);
  const before = Math.floor(total / 2);
  return { before, after: total - before };
}

/** Pixels along one axis: the one place where the output size is computed. */
function outputOf(axis: Axis, fit: Fit): number {
  const { input, window, stride, before, after } = axis;
  const steps = (input - window + before + after) / stride;
  if (fit === 'exact' && steps >= 0 && !Number.isInteger(steps)) throw doesNotDivide(axis);
  let output = (fit === 'pad' ? Math.ceil(steps) : Math.floor(steps)) + 1;
  const hangs = !Number.isInteger(steps) && fit === 'pad';
  if (hangs && (output - 1) * stride >= input + before) output -= 1;
  if (output < 1) throw tooLarge(axis);
  return output;
}

function formula({ input, window, stride, before, after }: Axis): string {
  const result = (input - window + before + after) / stride + 1;
  return `(${input} - ${window} + ${before + after})/${stride} + 1 = ${Number(result.toFixed(3))}`;
}

function symbols(axis: Axis): string {
  return axis.name === 'height' ? '(H - F + 2P)/S + 1' : '(W - F + 2P)/S + 1';
}

function doesNotDivide(axis: Axis): ShapeError {
  const { name, input, window, stride, before, after } = axis;
  const down = outputOf(axis, 'crop');
  const up = outputOf(axis, 'pad');
  return new ShapeError(
    `windows of ${window} at stride ${stride} do not tile a ${name} of ${input} with padding ` +
      `${before + after}: ${symbols(axis)} = ${formula(axis)}. ` +
      `What fits: ${settingsThatFit(axis).join('; ')}; ` +
      `or the option fit: 'crop' gives ${down}, 'pad' gives ${up}`,
    {
      remedy:
        "Choose a setting that fits, or set fit: 'crop' (drops the rest, as PyTorch) or 'pad' " +
        "(pads the rest, as Caffe's pooling) on the layer or for the whole network.",
      details: { axis: name, input, window, stride, padding: [before, after], crop: down, pad: up },
    },
  );
}

function tooLarge(axis: Axis): ShapeError {
  const { name, input, window, before, after } = axis;
  return new ShapeError(
    `a window of ${window} is larger than the padded ${name} of ${input} + ${before + after}: ` +
      `${symbols(axis)} = ${formula(axis)}`,
    {
      remedy: `Use a window of at most ${input + before + after}, more padding, or a larger input.`,
      details: { axis: name, input, window, stride: axis.stride, padding: [before, after] },
    },
  );
}

/** The nearest values of each setting, the others kept, for which the windows tile the volume. */
function settingsThatFit(axis: Axis): string[] {
  const { name, input, size, dilation, stride, before, after, window } = axis;
  const fits = (change: Partial<Axis>): boolean => {
    const a = { ...axis, ...change };
    const room = a.input - a.window + a.before + a.after;
    return room >= 0 && room % a.stride === 0;
  };
  const farthest = Math.max(stride, input - window + before + after);
  const around = (value: number, least: number, accept: (v: number) => boolean): number[] => [
    ...firstOf(value - 1, least, -1, accept),
    ...firstOf(value + 1, value + farthest, 1, accept),
  ];
  const padding = around(
    before,
    0,
    (v) => before === after && v < window && fits({ before: v, after: v }),
  );
  const oneSide = firstOf(after + 1, window - 1, 1, (v) => fits({ after: v }));
  const [first, last] = name === 'height' ? ['top', 'bottom'] : ['left', 'right'];
  const found: [string, number[]][] = [
    [`an input ${name} of`, around(input, 1, (v) => fits({ input: v }))],
    ['stride', around(stride, 1, (v) => fits({ stride: v }))],
    ['size', around(size, 1, (v) => fits({ window: extentOf(v, dilation) }))],
    ['padding', padding],
    [`padding {${first}: ${before}, ${last}:`, oneSide],
  ];
  return found
    .filter(([, values]) => values.length > 0)
    .map(([what, values]) => `${what} ${values.join(' or ')}${what.includes('{') ? '}' : ''}`);
}

const longestSearch = 4096;

/** The first number from `from` to `to` that is accepted; none where it is far away. */
function firstOf(from: number, to: number, step: 1 | -1, accept: (v: number) => boolean): number[] {
  const count = Math.min(longestSearch, (to - from) * step + 1);
  for (let i = 0; i < count; i++) if (accept(from + i * step)) return [from + i * step];
  return [];
}

/** Elements of a volume. */
export function elementsOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** `28x28x20`, `500`, or `scalar`. */
export function printShape(shape: Shape): string {
  return shape.length === 0 ? 'scalar' : shape.join('x');
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

/** Asserts `[height, width, channels]`. */
export function requireVolume(shape: Shape): [number, number, number] {
  if (shape.length !== 3) {
    throw new ShapeError(
      `a volume [height, width, channels] is needed, not [${shape.join(', ')}]`,
      {
        remedy: 'Put the layer before flatten() or dense(), or use reshape().',
      },
    );
  }
  return [shape[0]!, shape[1]!, shape[2]!];
}

const largestExtent = 2 ** 31 - 1;

/** Asserts extents that a program can hold: positive whole numbers, at most 2^31 - 1 elements an image. */
export function requireExtents(shape: Shape): void {
  if (!Array.isArray(shape))
    throw new ShapeError('a shape is missing', {
      remedy: 'Give [height, width, channels] or [features], without the batch.',
    });
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 1 || extent > largestExtent) {
      throw new ShapeError(
        `[${shape.join(', ')}] has an extent that is not a whole number from 1 to 2^31 - 1`,
        {
          remedy: 'Give [height, width, channels] or [features], without the batch.',
        },
      );
    }
  }
  if (elementsOf(shape) > largestExtent) {
    throw new ShapeError(`[${shape.join(', ')}] has more than 2^31 - 1 elements an image`, {
      remedy: 'Make the volume smaller.',
    });
  }
}
