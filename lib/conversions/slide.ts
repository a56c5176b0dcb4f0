import type { Network } from '../graph/network.js';
import { checkNames, invalid } from '../graph/options.js';
import { sameShape, type Fit } from '../graph/shape.js';
import { toFullyConvolutional } from './fully-convolutional.js';
import { Rewriting, type NetworkWithWeights } from './weighted.js';

export interface SlideOptions {
  /** Height and width of the larger images. */
  input: readonly [number, number];
  /** For sizes that do not divide, where a layer has no `fit` of its own; default: the network's. */
  fit?: Fit;
}

/**
 * A network for larger images that gives, in one pass, what the original gives at every position to which its
 * input can be moved in steps of its stride: VGG-16 reduces 224x224 to 7x7, so that 384x384 has 6x6 positions
 * 32 pixels apart, `[6, 6, 1000]`. Dense layers become convolutions (`toFullyConvolutional`); auxiliary
 * outputs are left out.
 *
 * Where layers pad, the results are near those of separate crops and not equal to them: a crop sees zeros
 * around its own border, here there are the pixels that the image has.
 *
 * @throws StriateError INVALID_ARGUMENT for a network with several inputs or an input that is no volume,
 * and for layers whose parameters depend on the images' size; ShapeError for a size that does not divide
 * or is smaller than the original.
 */
export function slide(source: NetworkWithWeights, options: SlideOptions): NetworkWithWeights {
  checkNames('slide', ['input', 'fit'], options);
  const converted = toFullyConvolutional(source);
  const network = resized(converted.network.withoutAuxiliary(), options);
  const kept = new Set(network.parameters().map(({ name }) => name));
  const weights = new Map([...converted.weights].filter(([name]) => kept.has(name)));
  return { network, weights };
}

function resized(network: Network, { input, fit }: SlideOptions): Network {
  const [first, ...others] = network.inputs.map((id) => network.nodes[id]!);
  if (first === undefined || others.length > 0)
    throw invalid(`the network has ${network.inputs.length} inputs`, 'Slide networks with one.');
  if (!Array.isArray(input) || input.length !== 2)
    throw invalid(
      'slide: input is not [height, width]',
      'For example slide(source, { input: [384, 384] }).',
    );
  const rewriting = new Rewriting(network);
  for (const node of network.nodes)
    rewriting.keep(node, node === first ? { shape: [...input, first.shape[2]!] } : {});
  const larger = rewriting.network(fit);
  const shapes = new Map(network.parameters().map(({ name, spec }) => [name, spec.shape]));
  const changed = larger
    .parameters()
    .find(({ name, spec }) => !sameShape(spec.shape, shapes.get(name)!));
  if (changed !== undefined) {
    throw invalid(
      `${changed.name} depends on the size of the images`,
      'Slide networks whose layers share their parameters over the plane.',
    );
  }
  return larger;
}
