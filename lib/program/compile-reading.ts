import type { Loss } from '../losses/loss.js';
import type { Builder } from './builder.js';
import {
  externalSeeds,
  finishShared,
  lossSeeds,
  lowered,
  newBuilder,
  oneOutput,
  type InferenceOptions,
} from './compile.js';
import { differentiate } from './differentiate.js';
import type { NetworkDescription } from './lower.js';
import type { Program } from './program.js';
import type { Tensor } from './tensor.js';
import { reshapeView } from './views.js';

export interface ReadingOptions extends InferenceOptions {
  /** Nodes by id, each of whose values is the output `value<id>`. */
  values?: readonly number[];
  /** Each gradient by a node's value is the output `gradient<id>`, multiplied by the loss scale. */
  gradients?: {
    /** `'external'`: the gradient by the network's output comes from the caller, as the input `dy`. */
    of: Loss | 'external';
    /** Nodes that the network's output depends on. */
    by: readonly number[];
  };
}

/**
 * The program that reads what lies within a network: inference, whose values by node are outputs, and
 * the gradients of a loss by them. Inputs are `images` and, with gradients, `target` or `dy`.
 *
 * @throws StriateError as `compileTraining`; for an op without a gradient too.
 */
export function compileReading(network: NetworkDescription, options: ReadingOptions): Program {
  const builder = newBuilder(options);
  const { outputs, values } = lowered(
    ...([builder, network, options, 'infer'] as const),
    options.gradients !== undefined,
  );
  for (const id of options.values ?? []) builder.output(`value${id}`, values.get(id)!);
  if (options.gradients !== undefined) {
    const { of, by } = options.gradients;
    const heads = [{ output: oneOutput(outputs), weight: 1 }];
    builder.scalesLoss = true;
    const seeds =
      of === 'external' ? externalSeeds(builder, heads) : lossSeeds(builder, of, heads, 'infer');
    const homes = new Map<Tensor, Tensor>();
    for (const id of by) {
      const root = builder.rootOf(values.get(id)!);
      if (!homes.has(root)) homes.set(root, homeOf(builder, root));
    }
    differentiate(builder, seeds, homes);
    for (const id of by) {
      const value = values.get(id)!;
      const home = homes.get(builder.rootOf(value))!;
      builder.output(`gradient${id}`, reshapeView(home, value.shape)!, 'backward');
    }
  }
  return finishShared(builder, options, 'evaluate');
}

function homeOf(builder: Builder, { shape, batched, storage }: Tensor): Tensor {
  return builder.tensor(shape, batched, {
    name: `${storage.name}.gradient`,
    dtype: storage.dtype,
    category: 'activationGradients',
  });
}
