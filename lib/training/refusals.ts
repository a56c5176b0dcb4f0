import { StriateError } from '../errors.js';

/** What a trainer throws for calls that do not fit its state. */

export function busy(): StriateError {
  return new StriateError('BUSY', 'a fit is active on this trainer', {
    remedy: 'Wait until it ends, or leave its loop.',
  });
}

export function needsLoss(what: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `${what} needs a loss; this trainer’s is external`, {
    remedy: 'Use forward(), backward() and update(), or make the trainer with a loss.',
  });
}

export function hasLoss(): StriateError {
  return new StriateError('INVALID_ARGUMENT', 'the trainer has a loss of its own', {
    remedy: 'Use step(), or make the trainer with loss: "external".',
  });
}

export function outOfOrder(what: string, before: string): StriateError {
  return new StriateError('INVALID_ARGUMENT', `${what} follows ${before}`, {
    remedy: 'Call forward(x), backward(dy), update(), in this order.',
  });
}

export function notFinite(step: number, loss: number | undefined): StriateError {
  const what = loss === undefined || Number.isFinite(loss) ? 'a gradient' : 'the loss';
  return new StriateError(
    'NOT_FINITE',
    `step ${step}: ${what} is not finite; nothing was changed`,
    {
      remedy: 'Lower the learning rate, and look for infinite or NaN values in the data.',
      details: { step, ...(loss === undefined ? {} : { loss: String(loss) }) },
    },
  );
}

/**
 * `smallest`: the images of the smallest part that passes at once.
 * @throws StriateError `INVALID_ARGUMENT` for more images than the trainer takes, or too few.
 */
export function checkBatch(
  n: number,
  { most, least, smallest }: { most: number; least: number; smallest: number },
): void {
  if (n > most)
    throw new StriateError('INVALID_ARGUMENT', `${n} images, the trainer takes up to ${most}`, {
      remedy: 'Give a smaller batch, or make the trainer with a larger one.',
      details: { expected: most, actual: n },
    });
  if (smallest < least)
    throw new StriateError(
      'INVALID_ARGUMENT',
      `a ${smallest < n ? 'micro-' : ''}batch of one image leaves batch normalisation one value a channel, which has no variance`,
      {
        remedy:
          smallest < n
            ? `Use another microBatch: ${n} images do not pass two or more at a time.`
            : 'Leave the smaller last batch out: dropLast: true.',
      },
    );
}
