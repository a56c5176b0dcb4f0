import type { ForwardScope, Layer } from '../../lib/graph/layer.js';
import type { Fit, Shape } from '../../lib/graph/shape.js';
import { inferShape } from '../../lib/graph/value.js';
import type { AttributeValues, OpDefinition, Target } from '../../lib/program/op.js';
import type { Storage, Tensor } from '../../lib/program/tensor.js';

export interface Recorded {
  op: string;
  attributes: AttributeValues;
  operands: Record<string, Tensor | undefined>;
  commit: boolean;
}

/** Runs a layer's forward pass and keeps what it emits: no builder, no planner. */
export function recordForward(
  layer: Layer,
  shapes: readonly Shape[],
  options: { mode?: 'train' | 'infer'; fit?: Fit; name?: string } = {},
): { instructions: Recorded[]; inputs: Tensor[]; output: Tensor } {
  const { mode = 'train', fit = 'exact', name = layer.kind } = options;
  const instructions: Recorded[] = [];
  const inputs = shapes.map((shape) => tensorOf(shape, true));
  const sources = shapes.map((shape) => ({ shape, batched: true }));
  const keep =
    (commit: boolean) =>
    (
      op: OpDefinition,
      attributes: AttributeValues,
      operands: Record<string, Tensor | Target | undefined>,
    ): void => {
      const plain = Object.entries(operands).map(([key, operand]) => [
        key,
        operand !== undefined && 'access' in operand ? operand.tensor : operand,
      ]);
      instructions.push({
        op: op.name,
        attributes,
        operands: Object.fromEntries(plain) as Record<string, Tensor | undefined>,
        commit,
      });
    };
  const outputShape = inferShape(layer, name, sources, fit);
  const parameters = new Map(
    (layer.definition.parameters?.(shapes, layer.options, outputShape) ?? []).map((spec) => [
      spec.name,
      tensorOf(spec.shape, false),
    ]),
  );
  const scope: ForwardScope = {
    mode,
    dtype: 'float32',
    layer: name,
    fit,
    outputShape,
    parameter(parameter) {
      const tensor = parameters.get(parameter);
      if (tensor === undefined) throw new Error(`no parameter ${parameter}`);
      return tensor;
    },
    tensor: (shape, { batched = true, dtype } = {}) => ({
      ...tensorOf(shape, batched),
      dtype: dtype ?? 'float32',
    }),
    constant: (_name, values) => tensorOf([values.length], false),
    emit: keep(false),
    commit: keep(true),
    reshape: (x, shape) => ({ ...x, shape, pitch: shape.at(-1) ?? 1 }),
    concat: (xs) =>
      tensorOf(
        [...xs[0]!.shape.slice(0, -1), xs.reduce((sum, x) => sum + x.shape.at(-1)!, 0)],
        true,
      ),
  };
  const output = layer.definition.forward(scope, inputs, layer.options);
  return { instructions, inputs, output };
}

function tensorOf(shape: Shape, batched: boolean): Tensor {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const storage: Storage = {
    id: 0,
    name: 'test',
    dtype: 'float32',
    category: 'activations',
    fixed: batched ? 0 : elements,
    perImage: batched ? elements : 0,
  };
  return { storage, shape, batched, dtype: 'float32', pitch: shape.at(-1) ?? 1, offset: 0 };
}
