import { FormatError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { checkNames, invalid } from '../graph/options.js';
import { elementsOf, sameShape, type Shape } from '../graph/shape.js';
import { zoo } from '../models/zoo.js';
import { leftOut, moduleNames, type WeightsLibrary } from './pytorch-names.js';
import type { HostTensor } from './safetensors.js';

type Floats = Float32Array | Float64Array;

export interface PytorchOptions {
  /** Whose names and layouts; default `'torchvision'`. */
  library?: WeightsLibrary;
}

/** Where a parameter lies in PyTorch. */
interface Place {
  /** `layer1.0.conv1.weight` */
  readonly name: string;
  /** As the zoo's network has it: filters `[R, S, C / groups, K]`, dense weights `[inputs, units]`. */
  readonly shape: Shape;
  readonly kind: 'filters' | 'matrix' | 'vector';
  /** What a matrix multiplies, `[H, W, C]`; PyTorch flattens it channels first. */
  readonly volume: readonly [number, number, number];
  /** Of the last layer: it may have any number of classes. */
  readonly last: boolean;
}

const suffixes: Readonly<Record<string, string>> = {
  w: 'weight',
  b: 'bias',
  gamma: 'weight',
  beta: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
};

/**
 * The weights of a network of the zoo from a state dictionary of torchvision's or timm's model, as
 * `readWeights()` reads it from safetensors: names, layouts (filters OIHW, dense weights [out, in], flattened
 * channels first) and batch normalisation's statistics become those of the zoo; `num_batches_tracked` and
 * auxiliary classifiers are left out. Parameters that the dictionary lacks are left out too: a trainer's
 * `missing` says which may be. The last layer may have any number of classes.
 *
 * The zoo's networks compute what these models do, but for two: timm's `mobilenetv1_100` caps activations at 6
 * where the zoo's has a plain ReLU, and torchvision's `googlenet` with its published weights scales images in
 * another way (its `transform_input`).
 *
 * @param model the zoo's name: `'resnet50'`.
 * @throws StriateError INVALID_ARGUMENT for a network that the library does not have; FormatError for
 * tensors that are not the model's.
 */
export function fromPytorch(
  model: string,
  tensors: ReadonlyMap<string, HostTensor>,
  options: PytorchOptions = {},
): Map<string, HostTensor> {
  const places = placesOf(model, options);
  const weights = new Map<string, HostTensor>();
  const known = new Set<string>();
  for (const [name, place] of places) {
    const tensor = tensors.get(place.name);
    known.add(place.name);
    if (tensor !== undefined) weights.set(name, fromPlace(model, place, tensor));
  }
  const unknown = [...tensors.keys()].filter(
    (name) =>
      !known.has(name) &&
      !name.endsWith('.num_batches_tracked') &&
      leftOut[model]?.test(name) !== true,
  );
  if (unknown.length > 0 || weights.size === 0) {
    const shown = unknown.slice(0, 4).join(', ');
    const more = unknown.length > 4 ? ` and ${unknown.length - 4} more` : '';
    throw new FormatError(
      unknown.length > 0
        ? `${model} has no ${shown}${more}`
        : `none of the tensors is one of ${model}`,
      { remedy: `It has ${[...known].slice(0, 3).join(', ')}, ...` },
    );
  }
  return weights;
}

/**
 * The reverse of `fromPytorch`: a state dictionary for torchvision's or timm's model, to be written by
 * `writeWeights()`. PyTorch adds `num_batches_tracked` itself.
 *
 * @throws StriateError INVALID_ARGUMENT for a network that the library does not have, and for weights that
 * are not those of the zoo's network.
 */
export function toPytorch(
  model: string,
  weights: ReadonlyMap<string, HostTensor>,
  options: PytorchOptions = {},
): Map<string, HostTensor> {
  const places = placesOf(model, options);
  const library = options.library ?? 'torchvision';
  const tensors = new Map<string, HostTensor>();
  for (const [name, tensor] of weights) {
    const place = places.get(name);
    if (place === undefined)
      throw invalid(`${model} has no ${name}`, 'Give the weights of the zoo’s network.');
    if (!fits(place, tensor.shape))
      throw invalid(
        mismatch(name, tensor.shape, place.shape),
        'Give the weights of the zoo’s network.',
      );
    tensors.set(place.name, toPlace(place, tensor, convolvesHere(library, place)));
  }
  return tensors;
}

/** timm's VGG has its first two dense layers as convolutions. */
function convolvesHere(library: WeightsLibrary, { name, kind }: Place): boolean {
  return library === 'timm' && kind === 'matrix' && name.startsWith('pre_logits.');
}

function placesOf(model: string, options: PytorchOptions): Map<string, Place> {
  checkNames('fromPytorch', ['library'], options);
  const { library = 'torchvision' } = options;
  const names = moduleNames[library] as (typeof moduleNames)['torchvision'] | undefined;
  if (names === undefined)
    throw invalid(`library is '${library}'`, "Give 'torchvision' or 'timm'.");
  const namesOf = Object.hasOwn(names, model) ? names[model] : undefined;
  if (namesOf === undefined) {
    throw invalid(
      `${library} has no model for '${model}' of the zoo`,
      `There are ${Object.keys(names).join(', ')}.`,
    );
  }
  const network = zoo[model]!();
  const modules = namesOf(network);
  return new Map(
    network.parameters().map(({ name, layer, spec }): [string, Place] => {
      const kind =
        spec.shape.length === 4 ? 'filters' : spec.shape.length === 2 ? 'matrix' : 'vector';
      const place = `${modules.get(layer)!}.${suffixes[spec.name]!}`;
      const volume = volumeBefore(network, layer);
      return [name, { name: place, shape: spec.shape, kind, volume, last: layer === 'head' }];
    }),
  );
}

/** The volume that a layer reads, seen through layers that flatten or keep it. */
function volumeBefore(network: Network, layer: string): readonly [number, number, number] {
  let node = network.nodes.find(({ name }) => name === layer)!;
  do node = network.nodes[node.inputs[0]!]!;
  while (node.layer?.kind === 'dropout' || node.layer?.kind === 'flatten');
  const [height, width, channels] = node.shape;
  return node.shape.length === 3 ? [height!, width!, channels!] : [1, 1, height!];
}

function fromPlace(model: string, place: Place, tensor: HostTensor): HostTensor {
  const { kind, shape, name } = place;
  const data = floatsOf(name, tensor);
  const refuse = (): FormatError =>
    new FormatError(mismatch(name, tensor.shape, pytorchShape(place)), {
      remedy: `Give the tensors of ${model} for images of its usual size.`,
    });
  if (elementsOf(tensor.shape) !== data.length) throw refuse();
  if (kind === 'vector') {
    if (!fits(place, tensor.shape)) throw refuse();
    return { dtype: tensor.dtype, shape: tensor.shape, data };
  }
  // A dense layer that is a convolution elsewhere has four axes.
  const [out, ...rest] = tensor.shape as [number, ...number[]];
  const [channels, height, width] =
    rest.length === 3 ? (rest as [number, number, number]) : channelsFirst(place);
  const own = kind === 'filters' ? [height, width, channels, out] : [elementsOf(rest), out];
  if (!fits(place, own) || (rest.length !== 3 && rest.length !== 1)) throw refuse();
  if (kind === 'matrix' && channels * height * width !== shape[0]) throw refuse();
  return {
    dtype: tensor.dtype,
    shape: own,
    data: channelsInnermost(data, out, channels, height * width),
  };
}

function toPlace(place: Place, tensor: HostTensor, asConvolution: boolean): HostTensor {
  const data = floatsOf(place.name, tensor);
  if (place.kind === 'vector') return { dtype: tensor.dtype, shape: tensor.shape, data };
  const out = tensor.shape.at(-1)!;
  const [channels, height, width] =
    place.kind === 'filters'
      ? [tensor.shape[2]!, tensor.shape[0]!, tensor.shape[1]!]
      : channelsFirst(place);
  const shape =
    place.kind === 'filters' || asConvolution
      ? [out, channels, height, width]
      : [out, channels * height * width];
  return {
    dtype: tensor.dtype,
    shape,
    data: channelsOutermost(data, out, channels, height * width),
  };
}

function channelsFirst({ volume: [height, width, channels] }: Place): [number, number, number] {
  return [channels, height, width];
}

/** `[out, channels, pixels]` to `[pixels, channels, out]`. */
function channelsInnermost(from: Floats, out: number, channels: number, pixels: number): Floats {
  const to = emptyLike(from);
  for (let k = 0, i = 0; k < out; k += 1)
    for (let c = 0; c < channels; c += 1)
      for (let p = 0; p < pixels; p += 1, i += 1) to[(p * channels + c) * out + k] = from[i]!;
  return to;
}

/** `[pixels, channels, out]` to `[out, channels, pixels]`. */
function channelsOutermost(from: Floats, out: number, channels: number, pixels: number): Floats {
  const to = emptyLike(from);
  for (let k = 0, i = 0; k < out; k += 1)
    for (let c = 0; c < channels; c += 1)
      for (let p = 0; p < pixels; p += 1, i += 1) to[i] = from[(p * channels + c) * out + k]!;
  return to;
}

function emptyLike(data: Floats): Floats {
  return data instanceof Float64Array
    ? new Float64Array(data.length)
    : new Float32Array(data.length);
}

/** The zoo's shape; of the last layer any number of classes. */
function fits({ shape, last }: Place, other: Shape): boolean {
  if (!last) return sameShape(shape, other);
  return sameShape(shape.slice(0, -1), other.slice(0, -1));
}

function pytorchShape({ kind, shape }: Place): Shape {
  if (kind === 'vector') return shape;
  if (kind === 'matrix') return [shape[1]!, shape[0]!];
  return [shape[3]!, shape[2]!, shape[0]!, shape[1]!];
}

function mismatch(name: string, found: Shape, wanted: Shape): string {
  return `${name} is [${found.join(', ')}] instead of [${wanted.join(', ')}]`;
}

function floatsOf(name: string, { data, dtype }: HostTensor): Floats {
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new FormatError(`${name} holds ${dtype}`, {
    remedy: 'Store parameters as float32 or float64.',
  });
}
