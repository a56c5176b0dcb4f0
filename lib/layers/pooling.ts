import { maybe, pair, readOptions, type OptionRules } from '../graph/options.js';
import type { LayerWindow } from '../graph/layer.js';
import {
  elementsOf,
  type Fit,
  type Pair,
  type Padding,
  type Shape,
  type WindowGeometry,
} from '../graph/shape.js';
import type { NamedOptions } from '../graph/define-layer.js';
import { ShapeError } from '../errors.js';
import type { AttributeValues } from '../program/op.js';
import { batchAxes, eagerShape, type EagerShapes } from './eager.js';
import {
  placementAttributes,
  placementAttributeTypes,
  placementRules,
  pooled,
  windowOf,
  type Placement,
} from './windows.js';

export interface PoolOptions extends NamedOptions {
  /** Window height and width. */
  size: Pair;
  /** Pixels between neighbouring windows; default: the window, so that windows touch. */
  stride?: Pair;
  /** Padding around the volume, smaller than the window; default 0. */
  padding?: Padding;
  /** For a size that does not divide; default: the network's. */
  fit?: Fit;
}

/** A pooling's options in full. */
export interface Pooling extends Omit<Placement, 'stride'> {
  readonly size: readonly [number, number];
  readonly stride?: readonly [number, number] | undefined;
}

export const poolingRules: OptionRules<Pooling> = {
  ...placementRules,
  size: pair,
  stride: maybe(pair),
};

export const poolingAttributeTypes = {
  sizeH: 'int32',
  sizeW: 'int32',
  ...placementAttributeTypes,
} as const;

/** Where the windows of a pooling lie. */
export function poolWindows(
  x: Shape,
  options: Pooling,
  networkFit: Fit,
): WindowGeometry & { channels: number } {
  const { size, stride = size } = options;
  return pooled(x, size, { ...options, stride }, networkFit);
}

export function poolShape(x: Shape, options: Pooling, networkFit: Fit): Shape {
  const { height, width, channels } = poolWindows(x, options, networkFit);
  return [height, width, channels];
}

/** What an output pixel of a pooling sees. */
export function poolWindow(x: Shape, options: Pooling, networkFit: Fit): LayerWindow {
  const { size, stride = size } = options;
  return windowOf(poolWindows(x, options, networkFit), size, stride);
}

/** One comparison or addition for each value of each window. */
export function poolFlops(output: Shape, { size }: Pooling): number {
  return elementsOf(output) * size[0] * size[1];
}

export function poolAttributes(
  geometry: WindowGeometry,
  { size, stride = size }: Pooling,
): AttributeValues {
  return { sizeH: size[0], sizeW: size[1], ...placementAttributes(geometry, stride) };
}

/** An eager forward call: attributes, and the shape of y. */
export function eagerPool<Options extends Pooling>(
  kind: string,
  rules: OptionRules<Options>,
  shapes: EagerShapes,
  given: object,
): { attributes: AttributeValues; y: readonly number[]; options: Options } {
  const [n, ...volume] = eagerShape(shapes, 'x', batchAxes);
  const options = readOptions(kind, rules, given);
  const geometry = poolWindows(volume, options, 'exact');
  const y = [n!, geometry.height, geometry.width, geometry.channels];
  return { attributes: poolAttributes(geometry, options), y, options };
}

/** An eager backward call, `inputSize: [h, w]` among its options: attributes, and the shape of dx. */
export function eagerPoolBackward<Options extends Pooling>(
  kind: string,
  rules: OptionRules<Options>,
  shapes: EagerShapes,
  given: object,
): { attributes: AttributeValues; dx: readonly number[]; options: Options } {
  const [n, height, width, channels] = eagerShape(shapes, 'dy', batchAxes) as [
    number,
    number,
    number,
    number,
  ];
  const options = readOptions(
    kind,
    { ...rules, ...inputSizeRule } as OptionRules<Options & InputSize>,
    given,
  );
  const geometry = poolWindows([...options.inputSize, channels], options, 'exact');
  requireOutput([height, width], geometry, options.inputSize);
  return {
    attributes: poolAttributes(geometry, options),
    dx: [n, ...options.inputSize, channels],
    options,
  };
}

/** An eager backward call that is given the forward pass's x: its attributes. */
export function eagerPoolOver(
  kind: string,
  rules: OptionRules<Pooling>,
  shapes: EagerShapes,
  given: object,
): { attributes: AttributeValues } {
  const { attributes, y } = eagerPool(kind, rules, shapes, given);
  const [, height, width] = eagerShape(shapes, 'dy', batchAxes) as [number, number, number];
  const [, H, W] = eagerShape(shapes, 'x', batchAxes) as [number, number, number];
  requireOutput([height, width], { height: y[1]!, width: y[2]! }, [H, W]);
  return { attributes };
}

/** Throws unless dy is as large as what the forward pass gave. */
function requireOutput(
  dy: readonly [number, number],
  { height, width }: { readonly height: number; readonly width: number },
  x: readonly [number, number],
): void {
  if (dy[0] === height && dy[1] === width) return;
  throw new ShapeError(
    `dy is ${dy.join('x')}, but pooling ${x.join('x')} gives ${height}x${width}`,
    { remedy: 'Give the options of the forward pass.' },
  );
}

interface InputSize {
  readonly inputSize: readonly [number, number];
}

const inputSizeRule: OptionRules<InputSize> = { inputSize: pair };
