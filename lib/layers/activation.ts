import { defineLayer } from '../graph/define-layer.js';
import type { Layer } from '../graph/layer.js';
import { real, type OptionRule, type OptionRules } from '../graph/options.js';
import { elementsOf } from '../graph/shape.js';
import { defineOp } from '../program/op.js';
import { eagerKind, type EagerShapes } from './eager.js';

/** In the order of native/ops/activation.h. */
export const activationKinds = {
  leakyRelu: 0,
  elu: 1,
  sigmoid: 2,
  tanh: 3,
  softplus: 4,
  silu: 5,
  gelu: 6,
  geluTanh: 7,
  hardSwish: 8,
  hardSigmoid: 9,
  relu6: 10,
} as const;

export type ActivationKind = keyof typeof activationKinds;

/** What a kind is given beside its operand; the others ignore it. */
export interface ActivationNumbers {
  /** The slope of `leakyRelu`, the alpha of `elu`, the beta of `softplus`. */
  readonly alpha?: number;
  /** Of `softplus`. */
  readonly threshold?: number;
}

const { leakyRelu, elu, sigmoid, tanh, relu6 } = activationKinds;
/** Their gradients are functions of y: x need not be kept. */
const readingOutput: ReadonlySet<number> = new Set([leakyRelu, elu, sigmoid, tanh, relu6]);

const attributes = { kind: 'int32', alpha: 'float32', threshold: 'float32' } as const;
/** PyTorch's. */
const usual: Partial<Record<ActivationKind, ActivationNumbers>> = {
  leakyRelu: { alpha: 0.01 },
  elu: { alpha: 1 },
  softplus: { alpha: 1, threshold: 20 },
};
const kindOf = eagerKind(activationKinds);

function eagerAttributes(
  shapes: EagerShapes,
  options: Readonly<Record<string, unknown>>,
): { kind: number; alpha: number; threshold: number } {
  const { kind } = kindOf(shapes, options);
  const defaults = usual[options.kind as ActivationKind] ?? {};
  const number = (name: keyof ActivationNumbers): number =>
    real().read(options[name] ?? defaults[name] ?? 0, `activation: ${name}`);
  return { kind, alpha: number('alpha'), threshold: number('threshold') };
}

export const activationOp = defineOp({
  name: 'activation',
  light: true,
  operands: [
    { name: 'x', role: 'in' },
    { name: 'y', role: 'out' },
  ],
  attributes,
  inPlace: [['y', 'x']],
  eager: {
    attributes: eagerAttributes,
    outputs: ({ x }) => ({ y: { shape: x! } }),
  },
  backward(g) {
    const dy = g.gradientOf('y');
    if (dy === undefined) return;
    g.contribute(['x'], ({ x: dx }) => {
      const given = readingOutput.has(Number(g.attributes.kind))
        ? { y: g.operand('y') }
        : { x: g.operand('x') };
      g.emit(activationBackwardOp, g.attributes, { ...given, dy, dx });
    });
  },
});

export const activationBackwardOp = defineOp({
  name: 'activationBackward',
  operands: [
    { name: 'x', role: 'in', optional: true },
    { name: 'y', role: 'in', optional: true },
    { name: 'dy', role: 'in' },
    { name: 'dx', role: 'out' },
  ],
  attributes,
  inPlace: [['dx', 'dy']],
  eager: {
    attributes: eagerAttributes,
    outputs: ({ dy }) => ({ dx: { shape: dy! } }),
  },
});

/** A number from 0, or above it. */
export const notNegative: OptionRule<number> = real('a number from 0', (v) => v >= 0);
export const aboveZero: OptionRule<number> = real('a number above 0', (v) => v > 0);

interface ActivationDefinition<Options extends object> {
  /** The factory's name, and the first part of the layers' names. */
  readonly name: string;
  readonly options: OptionRules<Options>;
  readonly kind: (options: Options) => ActivationKind;
  readonly numbers?: (options: Options) => ActivationNumbers;
  /** A value's additions, multiplications, divisions and exponentials or the like, each counted as one. */
  readonly flops: (options: Options) => number;
}

/** An elementwise layer without parameters: any shape, which it keeps. */
export function defineActivation<Options extends object>(
  definition: ActivationDefinition<Options>,
): (given?: object) => Layer {
  const { name, options, kind, numbers, flops } = definition;
  return defineLayer<Options>({
    kind: name,
    prefix: name,
    arity: 1,
    options,
    inPlace: true,
    shape: ([x]) => x!,
    flops: (_inputs, output, given) => flops(given) * elementsOf(output),
    forward(scope, [x], given) {
      const { alpha = 0, threshold = 0 } = numbers?.(given) ?? {};
      const y = scope.tensor(scope.outputShape, { batched: x!.batched });
      scope.emit(activationOp, { kind: activationKinds[kind(given)], alpha, threshold }, { x, y });
      return y;
    },
  });
}
