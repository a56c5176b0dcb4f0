import type { Loss } from '../losses/loss.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { compileInference, compileTraining, type CompileOptions } from './compile.js';
import type { NetworkDescription } from './lower.js';
import { Plan } from './plan.js';
import { runsOn } from './precision.js';
import type { Recompute } from './recompute-options.js';

export interface PlanOptions extends Omit<CompileOptions, 'isolate'> {
  /** With an optimizer and a loss the plan is that of training, without that of inference. */
  optimizer?: Optimizer;
  loss?: Loss | 'external';
  freeze?: readonly RegExp[];
  /** Of a CPU device: what its threads need for themselves counts too. Default: it does not. */
  threads?: number;
  /** Images that pass at once in training; default `batch`. */
  microBatch?: number;
  /** Of training: what is made again; default `'light'`. */
  recompute?: Recompute;
}

/** What a network's memory will be, without a device. */
export function planNetwork(network: NetworkDescription, options: PlanOptions): Plan {
  const {
    optimizer,
    loss,
    freeze,
    microBatch,
    recompute,
    threads,
    precision = 'float32',
    ...rest
  } = options;
  const common = { device: runsOn(precision, 'cpu') ? 'cpu' : 'cuda', ...rest, precision } as const;
  const counted = common.device === 'cpu' && threads !== undefined ? { threads } : {};
  if (optimizer === undefined || loss === undefined)
    return new Plan(compileInference(network, common), counted);
  const training = {
    ...common,
    optimizer,
    loss,
    ...(freeze && { freeze }),
    ...(recompute && { recompute }),
  };
  if (microBatch === undefined || microBatch >= options.batch)
    return new Plan(compileTraining(network, training), counted);
  const part = compileTraining(network, { ...training, batch: microBatch, accumulate: true });
  return new Plan(part, { batch: options.batch, ...counted });
}
