import { ShapeError } from '../errors.js';
import type { LayerWindow } from '../graph/layer.js';
import { fit, maybe, optional, pair, padding, type OptionRules } from '../graph/options.js';
import {
  extentOf,
  placeWindows,
  requireVolume,
  type Fit,
  type Shape,
  type Sides,
  type WindowGeometry,
} from '../graph/shape.js';

/** What poolings and convolutions share. */
export interface Placement {
  readonly stride: readonly [number, number];
  readonly padding: Sides | 'same';
  readonly fit?: Fit | undefined;
}

/** Stride 1, no padding, the network's `fit`. */
export const placementRules: OptionRules<Placement> = {
  stride: optional(pair, [1, 1]),
  padding: optional(padding, { top: 0, right: 0, bottom: 0, left: 0 }),
  fit: maybe(fit),
};

const contiguous = [1, 1] as const;

/** Windows over a volume; `plane` is its height and width. */
export function placed(
  plane: readonly [number, number],
  size: readonly [number, number],
  placement: Placement & { readonly dilation?: readonly [number, number] },
  networkFit: Fit,
): WindowGeometry {
  const { stride, padding: sides, dilation = contiguous } = placement;
  return placeWindows(
    plane[0],
    plane[1],
    { size, stride, padding: sides, dilation },
    placement.fit ?? networkFit,
  );
}

/** Windows of a pooling: padding is smaller than the window, so that each one touches the volume. */
export function pooled(
  shape: Shape,
  size: readonly [number, number],
  placement: Placement,
  networkFit: Fit,
): WindowGeometry & { readonly channels: number } {
  const [height, width, channels] = requireVolume(shape);
  const geometry = placed([height, width], size, placement, networkFit);
  const { top, right, bottom, left } = geometry.padding;
  if (Math.max(top, bottom) >= size[0] || Math.max(left, right) >= size[1]) {
    throw new ShapeError(
      `padding ${[top, right, bottom, left].join(', ')} is not smaller than the window ${size.join('x')}`,
      { remedy: 'Pool with padding below the window size: every window must touch the volume.' },
    );
  }
  return { ...geometry, channels };
}

/** What an output pixel of such windows sees. */
export function windowOf(
  { padding: sides }: WindowGeometry,
  size: readonly [number, number],
  stride: readonly [number, number],
  dilation: readonly [number, number] = contiguous,
): LayerWindow {
  return {
    size: [extentOf(size[0], dilation[0]), extentOf(size[1], dilation[1])],
    stride,
    before: [sides.top, sides.left],
  };
}

/** The attributes that poolings and convolutions have in common. */
export function placementAttributes(
  { padding: sides }: WindowGeometry,
  stride: readonly [number, number],
): Record<'strideH' | 'strideW' | 'padTop' | 'padLeft' | 'padBottom' | 'padRight', number> {
  return {
    strideH: stride[0],
    strideW: stride[1],
    padTop: sides.top,
    padLeft: sides.left,
    padBottom: sides.bottom,
    padRight: sides.right,
  };
}

export const placementAttributeTypes = {
  strideH: 'int32',
  strideW: 'int32',
  padTop: 'int32',
  padLeft: 'int32',
  padBottom: 'int32',
  padRight: 'int32',
} as const;
