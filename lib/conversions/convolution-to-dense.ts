import { invalid } from '../graph/options.js';
import type { NetworkNode } from '../graph/nodes.js';
import { elementsOf, requireVolume, sameShape, type Shape } from '../graph/shape.js';
import { placed, type Placement } from '../layers/windows.js';
import { kindOf } from './fully-convolutional.js';
import {
  parameterOf,
  requireWeighted,
  Rewriting,
  type Floats,
  type NetworkWithWeights,
} from './weighted.js';

/** Elements of the largest matrix: 1 GiB of float32. */
const largestMatrix = 2 ** 28;

/**
 * The equal network in which the convolution `name` is a dense layer of the same name, and a reshape
 * `<name>_volume` back to `[P, Q, K]`. Its matrix `[H W C, P Q K]` is mostly zero (connections are local), and
 * the other entries repeat from one output position to the next (parameters are shared): for teaching and
 * tests.
 *
 * @throws StriateError INVALID_ARGUMENT when no convolution has that name, when it is applied to volumes of
 * different extents, for a matrix of more than 2^28 elements, and for weights that do not fit.
 */
export function convolutionToDense(source: NetworkWithWeights, name: string): NetworkWithWeights {
  requireWeighted(source, 'convolutionToDense');
  const { network } = source;
  const applied = network.nodes.filter((node) => node.name === name);
  const [first] = applied;
  if (first?.layer?.kind !== 'conv2d') {
    const all = network.nodes.filter(({ layer }) => layer?.kind === 'conv2d');
    throw invalid(
      `the network has no convolution named '${name}'`,
      `Its convolutions: ${[...new Set(all.map((node) => node.name))].join(', ') || 'none'}.`,
    );
  }
  const inputOf = (node: NetworkNode): Shape => network.nodes[node.inputs[0]!]!.shape;
  if (applied.some((node) => !sameShape(inputOf(node), inputOf(first)))) {
    throw invalid(
      `${name} is applied to volumes of different extents`,
      'Each of them has a matrix of its own: give every application a layer of its own.',
    );
  }
  const weights = new Map(source.weights);
  const { bias, init, biasInit } = first.layer.options;
  const [inputs, units] = [elementsOf(inputOf(first)), elementsOf(first.shape)];
  if (inputs * units > largestMatrix) {
    throw invalid(
      `${name} as a matrix is [${inputs}, ${units}]: ${((inputs * units * 4) / 2 ** 30).toFixed(1)} GiB`,
      'Convert a convolution over a smaller volume.',
    );
  }
  const shape = filterShape(first, inputOf(first));
  const w = parameterOf(weights, `${name}.w`, shape);
  const matrix = matrixOf(first, inputOf(first), network.fit, w.data);
  weights.set(`${name}.w`, { dtype: w.dtype, shape: [inputs, units], data: matrix });
  if (bias === true) {
    const filters = first.shape[2]!;
    const b = parameterOf(weights, `${name}.b`, [filters]);
    const data = emptyLike(b.data, units).map((_, i) => b.data[i % filters]!);
    weights.set(`${name}.b`, { dtype: b.dtype, shape: [units], data });
  }
  const rewriting = new Rewriting(network);
  const dense = rewriting.layer(kindOf('dense'), name, { units, bias, init, biasInit });
  for (const node of network.nodes) {
    if (node.name !== name) {
      rewriting.keep(node);
      continue;
    }
    rewriting.keep(node, { layer: dense });
    const volume = `${name}_volume${applied.length === 1 ? '' : applied.indexOf(node) + 1}`;
    const back = rewriting.layer(kindOf('reshape'), volume, { shape: node.shape });
    rewriting.append(node, volume, back);
  }
  return { network: rewriting.network(), weights };
}

interface Options extends Placement {
  readonly size: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

function filterShape({ layer, shape }: NetworkNode, input: Shape): Shape {
  const { size, groups } = layer!.options as unknown as Options;
  return [...size, input[2]! / groups, shape[2]!];
}

/** Filters `[R, S, C / groups, K]` as `[H W C, P Q K]`. */
function matrixOf(
  { layer, shape }: NetworkNode,
  input: Shape,
  fit: 'exact' | 'crop' | 'pad',
  filters: Floats,
): Floats {
  const options = layer!.options as unknown as Options;
  const { size, stride, dilation, groups } = options;
  const [height, width, channels] = requireVolume(input);
  const { padding } = placed([height, width], size, options, fit);
  const [rows, columns, count] = requireVolume(shape);
  const [depth, units] = [channels / groups, rows * columns * count];
  const matrix = emptyLike(filters, height * width * channels * units);
  for (let p = 0; p < rows; p += 1)
    for (let q = 0; q < columns; q += 1)
      for (let r = 0; r < size[0]; r += 1)
        for (let s = 0; s < size[1]; s += 1) {
          const y = p * stride[0] - padding.top + r * dilation[0];
          const x = q * stride[1] - padding.left + s * dilation[1];
          if (y < 0 || y >= height || x < 0 || x >= width) continue;
          for (let c = 0; c < depth; c += 1)
            for (let k = 0; k < count; k += 1) {
              const channel = Math.floor((k * groups) / count) * depth + c;
              const row = (y * width + x) * channels + channel;
              matrix[row * units + (p * columns + q) * count + k] =
                filters[((r * size[1] + s) * depth + c) * count + k]!;
            }
        }
  return matrix;
}

function emptyLike(data: Floats, length: number): Floats {
  return data instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}
