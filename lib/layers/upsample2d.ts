import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import {
  flag,
  invalid,
  maybe,
  oneOf,
  optional,
  pair,
  readOptions,
  type OptionRules,
} from '../graph/options.js';
import { elementsOf, requireVolume, type Pair, type Shape } from '../graph/shape.js';
import { defineOp } from '../program/op.js';
import { batchAxes, eagerShape, type EagerShapes } from './eager.js';

/** How a pixel of the output is made of those around its place. */
export type UpsampleMode = 'nearest' | 'bilinear';

interface Interpolation {
  readonly mode: UpsampleMode;
  readonly alignCorners: boolean;
}
interface Options extends Interpolation {
  readonly scale?: readonly [number, number] | undefined;
  readonly size?: readonly [number, number] | undefined;
}

const interpolationRules: OptionRules<Interpolation> = {
  mode: optional(oneOf(['nearest', 'bilinear'] as const), 'nearest'),
  alignCorners: optional(flag, false),
};
const rules: OptionRules<Options> = {
  scale: maybe(pair),
  size: maybe(pair),
  ...interpolationRules,
};

const attributeTypes = { mode: 'int32' } as const;

function attributesOf({ mode, alignCorners }: Interpolation): { mode: number } {
  return { mode: mode === 'nearest' ? 0 : alignCorners ? 2 : 1 };
}

function checkOptions(kind: string, options: Interpolation & Partial<Options>): void {
  if (options.mode === 'nearest' && options.alignCorners)
    throw invalid(
      `${kind}: alignCorners is an option of mode 'bilinear'`,
      "Give mode: 'bilinear', or leave alignCorners out.",
    );
}

function checkExtents(kind: string, { scale, size }: Options): void {
  if ((scale === undefined) === (size === undefined))
    throw invalid(
      `${kind} takes ${scale === undefined ? 'scale or size' : 'scale or size, not both'}`,
      'Give scale, which multiplies height and width, or size, the height and width themselves.',
    );
}

function resized([height, width, channels]: Shape, { scale, size }: Options): number[] {
  return size === undefined
    ? [height! * scale![0], width! * scale![1], channels!]
    : [...size, channels!];
}

function eagerForward(
  shapes: EagerShapes,
  given: object,
): { attributes: { mode: number }; y: number[] } {
  const [n, ...volume] = eagerShape(shapes, 'x', batchAxes);
  const options = readOptions('resize2d', rules, given);
  checkOptions('resize2d', options);
  checkExtents('resize2d', options);
  return { attributes: attributesOf(options), y: [n!, ...resized(volume, options)] };
}

const backwardRules = { ...interpolationRules, inputSize: pair };

export const resizeOp = defineOp({
  name: 'resize2d',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes: attributeTypes,
  eager: {
    attributes: (shapes, options) => eagerForward(shapes, options).attributes,
    outputs: (shapes, _attributes, options) => ({ y: { shape: eagerForward(shapes, options).y } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      g.emit(resizeBackwardOp, g.attributes, { dy, dx });
    });
  },
});

export const resizeBackwardOp = defineOp({
  name: 'resize2dBackward',
  operands: [
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes: attributeTypes,
  eager: {
    attributes(_shapes, given) {
      const options = readOptions('resize2dBackward', backwardRules, given);
      checkOptions('resize2dBackward', options);
      return attributesOf(options);
    },
    outputs(shapes, _attributes, given) {
      const [n, , , channels] = eagerShape(shapes, 'dy', batchAxes);
      const { inputSize } = readOptions('resize2dBackward', backwardRules, given);
      return { dx: { shape: [n!, ...inputSize, channels!] } };
    },
  },
});

export interface Upsample2dOptions extends NamedOptions {
  /** By how much height and width are multiplied, in whole numbers. */
  scale?: Pair;
  /** Height and width of the output, instead of `scale`; it may be smaller than the input. */
  size?: Pair;
  /** The pixel at the place (`'nearest'`, the default), or the four around it, weighted. */
  mode?: UpsampleMode;
  /** Bilinear: corner pixels keep their places, instead of the corners of pixels; default false. */
  alignCorners?: boolean;
}

const make = defineLayer<Options>({
  kind: 'upsample2d',
  prefix: 'upsample',
  arity: 1,
  options: rules,
  shape([x], options) {
    requireVolume(x!);
    checkOptions('upsample2d', options);
    checkExtents('upsample2d', options);
    return resized(x!, options);
  },
  window([x], options) {
    const y = resized(x!, options);
    const seen = options.mode === 'nearest' ? 1 : 2;
    const axis = (i: 0 | 1): { stride: number; before: number } => {
      const [from, to] = [x![i]!, y[i]!];
      if (options.alignCorners)
        return { stride: to > 1 ? (from - 1) / (to - 1) : 0, before: (seen - 1) / 2 };
      const stride = from / to;
      return { stride, before: (seen - stride) / 2 };
    };
    const [rows, columns] = [axis(0), axis(1)];
    return {
      size: [seen, seen],
      stride: [rows.stride, columns.stride],
      before: [rows.before, columns.before],
    };
  },
  // Three weighted means of two values each, of three operations.
  flops: (_inputs, output, { mode }) => (mode === 'nearest' ? 0 : 9 * elementsOf(output)),
  forward(scope, [x], options) {
    const y = scope.tensor(scope.outputShape);
    scope.emit(resizeOp, attributesOf(options), { x, y });
    return y;
  },
});

/**
 * A volume at another height and width, PyTorch's `Upsample`: `[H, W, C]` becomes `[H scale, W scale, C]`
 * or `[...size, C]`. Output row `p` of `P` takes row `floor(p H / P)` (nearest), or the two around
 * `(p + 1/2) H / P - 1/2`, with `alignCorners` around `p (H - 1)/(P - 1)` (bilinear); columns likewise.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown or out of range, unless exactly one of
 * `scale` and `size` is given, and for `alignCorners` with mode `'nearest'`.
 */
export function upsample2d(options: Upsample2dOptions): Layer {
  const layer = make(options);
  checkOptions('upsample2d', layer.options as unknown as Options);
  checkExtents('upsample2d', layer.options as unknown as Options);
  return layer;
}
