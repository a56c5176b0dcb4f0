import { ShapeError } from '../errors.js';
import { defineLayer, type NamedOptions } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { optional, positive, readOptions, real, type OptionRules } from '../graph/options.js';
import { elementsOf, type Shape } from '../graph/shape.js';
import { constant } from '../initializers/index.js';
import { defineOp, type AttributeValues, type Extent } from '../program/op.js';
import type { Tensor } from '../program/tensor.js';
import type { EagerShapes } from './eager.js';

export interface GroupNormOptions extends NamedOptions {
  /** Ranges of channels that are normalised together; divides the channels. 1 takes the whole volume. */
  groups: number;
  /** Added to the variance; default 1e-5. */
  epsilon?: number;
}

interface Options {
  readonly groups: number;
  readonly epsilon: number;
}

const rules: OptionRules<Options> = {
  groups: positive,
  epsilon: optional(
    real('a number above 0', (v) => v > 0),
    1e-5,
  ),
};

const attributes = { groups: 'int32', epsilon: 'float32' } as const;

/**
 * Bytes that the op needs between its passes: four parts of an image leave two doubles a channel each, the
 * last pass takes four more (native/ops/group_norm.h computes the same).
 */
function workspace(x: Tensor | undefined): Extent {
  return { fixed: 0, perImage: (2 * 4 + 4) * 8 * x!.shape.at(-1)! };
}

function eagerAttributes(_shapes: EagerShapes, options: object): AttributeValues {
  return { ...readOptions('groupNorm', rules, options) };
}

export const groupNormOp = defineOp({
  name: 'groupNorm',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'gamma', role: 'in', element: 'compute' },
    { name: 'beta', role: 'in', element: 'compute' },
    { name: 'y', role: 'out' },
    { name: 'groupMean', role: 'out', element: 'compute' },
    { name: 'groupVariance', role: 'out', element: 'compute' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  inPlace: [['y', 'x']],
  workspace: (_attributes, { x }) => workspace(x),
  eager: {
    attributes: eagerAttributes,
    outputs({ x }, { groups }) {
      const statistics = { shape: [x![0]!, Number(groups)] };
      return { y: { shape: x! }, groupMean: statistics, groupVariance: statistics };
    },
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['gamma', 'beta', 'x'], ({ gamma: dgamma, beta: dbeta, x: dx }) => {
      const [x, gamma] = [g.operand('x'), g.operand('gamma')];
      const [groupMean, groupVariance] = [g.operand('groupMean'), g.operand('groupVariance')];
      g.emit(groupNormBackwardOp, g.attributes, {
        x,
        gamma,
        groupMean,
        groupVariance,
        dy,
        dx,
        dgamma,
        dbeta,
      });
    });
  },
});

export const groupNormBackwardOp = defineOp({
  name: 'groupNormBackward',
  operands: [
    { name: 'x', role: 'in' },
    { name: 'gamma', role: 'in', element: 'compute' },
    { name: 'groupMean', role: 'in', element: 'compute' },
    { name: 'groupVariance', role: 'in', element: 'compute' },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out', optional: true },
    { name: 'dgamma', role: 'out', optional: true, element: 'compute' },
    { name: 'dbeta', role: 'out', optional: true, element: 'compute' },
    { name: 'workspace', role: 'out', element: 'bytes' },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  workspace: (_attributes, { x }) => workspace(x),
  eager: {
    attributes: eagerAttributes,
    outputs({ x }) {
      const perChannel = { shape: [x!.at(-1)!] };
      return { dx: { shape: x! }, dgamma: perChannel, dbeta: perChannel };
    },
  },
});

function checkGroups(shape: Shape, groups: number): void {
  if (shape.length !== 1 && shape.length !== 3)
    throw new ShapeError(
      `a volume [H, W, C] or a vector [C] is needed, not [${shape.join(', ')}]`,
      { remedy: 'Reshape before the layer.' },
    );
  const channels = shape.at(-1)!;
  if (channels % groups !== 0) {
    const fitting = Array.from({ length: channels }, (_, i) => i + 1).filter(
      (g) => channels % g === 0 && g < channels,
    );
    throw new ShapeError(`${groups} groups do not divide ${channels} channels`, {
      remedy: `Give a divisor: ${fitting.slice(-8).join(', ')}.`,
    });
  }
  if (elementsOf(shape) === groups)
    throw new ShapeError(`each of ${groups} groups has one value, which has no variance`, {
      remedy: 'Take fewer groups.',
    });
}

const make = defineLayer<Options>({
  kind: 'groupNorm',
  prefix: 'gn',
  arity: 1,
  options: rules,
  inPlace: true,
  // Statistics reach over the whole plane.
  window: ([x]) => (x!.length === 3 ? 'whole' : { size: [1, 1], stride: [1, 1], before: [0, 0] }),
  flops: ([x]) => 2 * elementsOf(x!),
  shape([x], { groups }) {
    checkGroups(x!, groups);
    return x!;
  },
  parameters([x]) {
    const spec = { shape: [x!.at(-1)!], trainable: true, fanIn: 1, fanOut: 1 };
    return [
      { name: 'gamma', init: constant(1), ...spec },
      { name: 'beta', init: constant(0), ...spec },
    ];
  },
  forward(scope, [x], { groups, epsilon }) {
    const [gamma, beta] = [scope.parameter('gamma'), scope.parameter('beta')];
    const y = scope.tensor(scope.outputShape);
    const groupMean = scope.tensor([groups], { name: 'groupMean' });
    const groupVariance = scope.tensor([groups], { name: 'groupVariance' });
    const operands = { x, gamma, beta, y, groupMean, groupVariance };
    scope.emit(groupNormOp, { groups, epsilon }, operands);
    return y;
  },
});

/**
 * Group normalisation (Wu and He 2018, arXiv:1803.08494): each image by itself, its channels in `groups`
 * ranges: `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, the variance over all values of the
 * image and group. Volumes `[H, W, C]` and vectors `[C]` keep their shape; training and inference are
 * alike. One group is layer normalisation over the volume, as many as channels instance normalisation.
 *
 * Parameters: `gamma`, `beta`, each `[C]`.
 *
 * @throws StriateError INVALID_ARGUMENT for an option that is unknown, missing or out of range; ShapeError,
 * when the network is made, for groups that do not divide the channels and for groups of one value.
 */
export function groupNorm(options: GroupNormOptions): Layer {
  return make(options);
}
