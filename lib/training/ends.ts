import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { elementsOf, type Shape } from '../graph/shape.js';

/** The shape of the one input and of the one output. @throws StriateError `INVALID_ARGUMENT` */
export function endsOf(network: Network): { input: Shape; output: Shape } {
  const [input, ...moreInputs] = network.inputs;
  const [output, ...moreOutputs] = network.outputs;
  const from = network.nodes.find(({ id }) => id === input);
  const to = network.nodes.find(({ id }) => id === output);
  if (!from || !to || moreInputs.length > 0 || moreOutputs.length > 0)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `the network has ${network.inputs.length} inputs and ${network.outputs.length} outputs`,
      { remedy: 'Train and run networks with one of each.' },
    );
  return { input: from.shape, output: to.shape };
}

/**
 * The smallest batch that can be trained: batch normalisation of vectors has one value a channel and
 * image, and needs two of them.
 */
export function leastBatch(network: Network): number {
  const single = network.nodes.some(
    ({ layer, shape }) => layer?.kind === 'batchNorm' && elementsOf(shape) === shape.at(-1),
  );
  return single ? 2 : 1;
}
