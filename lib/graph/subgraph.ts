import type { Tensor } from '../program/tensor.js';
import type { ForwardScope } from './layer.js';
import { inferShape, type Value } from './value.js';

/** All that a value depends on, itself included, in the order of making: inputs come first. */
export function valuesBefore(result: Value): Value[] {
  const found = new Set<Value>();
  const open = [result];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (found.has(value)) continue;
    found.add(value);
    open.push(...value.inputs);
  }
  return [...found].sort((a, b) => a.order - b.order);
}

/**
 * Emits what a function of values made, within the scope of the layer or loss around it.
 *
 * @param tensors of the values that enter
 * @param names the parts' names, by value: they name parameters and streams of random numbers
 */
export function lowerValues(
  scope: ForwardScope,
  values: readonly Value[],
  tensors: ReadonlyMap<Value, Tensor>,
  names: readonly string[],
): ReadonlyMap<Value, Tensor> {
  const all = new Map(tensors);
  for (const [i, value] of values.entries()) {
    const { layer } = value;
    if (layer === null) continue;
    const inputs = value.inputs.map((from) => all.get(from)!);
    const inner = within(scope, names[i]!, value);
    all.set(value, layer.definition.forward(inner, inputs, layer.options));
  }
  return all;
}

/** The scope of one part: the outer one's, under the part's name and shape. */
function within(scope: ForwardScope, part: string, value: Value): ForwardScope {
  const layer = `${scope.layer}/${part}`;
  return {
    mode: scope.mode,
    differentiated: scope.differentiated === true,
    dtype: scope.dtype,
    fit: 'exact',
    layer,
    outputShape: inferShape(value.layer!, layer, value.inputs, 'exact'),
    parameter: (parameter) => scope.parameter(`${part}.${parameter}`),
    tensor: (shape, options) => scope.tensor(shape, options),
    constant: (name, values) => scope.constant(name, values),
    emit: (op, attributes, operands) => scope.emit(op, attributes, operands),
    commit: (op, attributes, operands) => scope.commit(op, attributes, operands),
    reshape: (x, shape) => scope.reshape(x, shape),
    concat: (xs) => scope.concat(xs),
  };
}
