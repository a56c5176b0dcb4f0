import { OutOfDeviceMemoryError } from '../errors.js';
import { Plan } from '../program/plan.js';
import type { Program } from '../program/program.js';
import type { Device } from './device.js';

/**
 * Adds to an OutOfDeviceMemoryError what the program asks for, and the largest batch that would fit.
 * `shared`: bytes of the program's that are allocated already. Any other error is returned as it is.
 */
export function explainOutOfMemory(
  error: unknown,
  device: Device,
  program: Program,
  shared: number,
): unknown {
  if (!(error instanceof OutOfDeviceMemoryError)) return error;
  const { totalBytes, categories, batch, ...rest } = new Plan(program);
  const { allocated, limit } = device.memory();
  const available = limit === 0 ? undefined : limit - (allocated - shared);
  const largestBatch =
    available === undefined ? undefined : new Plan(program).largestBatch(Math.max(0, available));
  const parts = Object.entries({ ...categories, 'unused in the arena': rest.arena.unused })
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, bytes]) => `${name} ${bytes}`);
  const remedies = program.kind === 'infer' ? [] : remediesFor(program, largestBatch);
  return new OutOfDeviceMemoryError(
    `${error.message}; a batch of ${batch} takes ${totalBytes} bytes: ${parts.join(', ')}`,
    {
      remedy: [
        largestBatch === undefined
          ? 'Choose a smaller batch.'
          : largestBatch === 0
            ? 'Not even a batch of 1 fits: raise memoryLimit, or choose a smaller network.'
            : `The largest batch that fits is ${largestBatch}.`,
        ...(remedies.length === 0 ? [] : [`In order of cost: ${remedies.join('; ')}.`]),
      ].join(' '),
      cause: error,
      details: { totalBytes, categories, batch, allocated, limit, largestBatch, remedies },
    },
  );
}

/** What makes a training step smaller, the cheapest first. */
function remediesFor({ kind, batch }: Program, largestBatch: number | undefined): string[] {
  if (kind === 'evaluate') return [];
  const parts = largestBatch === undefined || largestBatch === 0 ? undefined : largestBatch;
  const passes = parts === undefined ? 0 : Math.ceil(batch / parts);
  return [
    "recompute: 'auto', which computes some convolutions again",
    ...(passes > 1 ? [`microBatch: ${parts}, the same step in ${passes} passes`] : []),
    'an optimizer that remembers less, such as sgd without momentum',
    "batch: 'auto', the largest that fits",
  ];
}
