import { CancelledError } from '../../errors.js';

/** At most `count` pieces of work at a time, whoever asks; those that wait come in their order. */
export class Slots {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(readonly count: number) {
    this.free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }

  /**
   * Calls `work(0)` to `work(count - 1)`, begun in this order, and waits for all of them, so that nothing
   * goes on after the call has ended. After a failure or an abort no further one begins.
   */
  async forEach(
    count: number,
    work: (i: number) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        const i = next++;
        try {
          await this.run(async () => {
            if (signal?.aborted)
              throw new CancelledError('reading was aborted', { cause: signal.reason });
            if (next <= count) await work(i);
          });
        } catch (error) {
          next = count + 1;
          throw error;
        }
      }
    };
    const lanes = Array.from({ length: Math.min(count, this.count) }, lane);
    const ends = await Promise.allSettled(lanes);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
