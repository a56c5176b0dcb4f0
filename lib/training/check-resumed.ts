import { StriateError } from '../errors.js';
import type { Network } from '../graph/network.js';
import { sameShape } from '../graph/shape.js';
import type { Program } from '../program/program.js';
import type { Checkpoint } from './checkpoint.js';
import type { TrainingSettings } from './programs.js';

/** A resumed run goes on exactly: everything that shapes it must be as it was. */
export function checkResumed(
  { header, slots }: Checkpoint,
  network: Network,
  layout: Program,
  settings: TrainingSettings,
  seed: number,
): void {
  const refuse = (message: string, remedy: string): never => {
    throw new StriateError('INVALID_ARGUMENT', `cannot resume: ${message}`, { remedy });
  };
  if (JSON.stringify(header.network) !== JSON.stringify(network.toJSON()))
    refuse(
      'the checkpoint holds another network',
      'Use the network that was saved, or start from its weights: weights: await readWeights(path).',
    );
  if (header.precision !== settings.precision)
    refuse(`the checkpoint is in ${header.precision}`, 'Leave the option precision out.');
  if (header.seed !== seed) refuse(`the seed was ${header.seed}`, 'Leave the option seed out.');
  const trainable = layout.parameters.filter((parameter) => parameter.trainable);
  const fits = layout.slots.every((slot) =>
    trainable.every(({ name, shape }) => {
      const saved = slots.get(slot)?.get(name);
      return saved !== undefined && sameShape(saved.shape, shape);
    }),
  );
  const counts = [...slots.values()].every(({ size }) => size === trainable.length);
  if (!fits || !counts || slots.size !== layout.slots.length)
    refuse(
      'the optimizer’s state in the checkpoint is that of another optimizer or other frozen layers',
      'Use the optimizer and freeze of the saved run, or start from its weights.',
    );
}
