import { StriateError } from '../errors.js';
import { Mutex } from './mutex.js';

/**
 * Whether a trainer or model is open, and whose turn it is: steps, and whatever must see the state between
 * two of them.
 */
export class Lifetime {
  readonly #lock = new Mutex();
  #closing: Promise<void> | undefined;

  constructor(
    private readonly what: 'trainer' | 'model',
    /** What helps who comes too late. */
    private readonly remedy: string,
  ) {}

  /** @throws StriateError `DISPOSED` */
  checkOpen(): void {
    if (this.#closing)
      throw new StriateError('DISPOSED', `the ${this.what} is closed`, { remedy: this.remedy });
  }

  /** Runs the task when those before it have ended, unless the trainer is closed by then. */
  inTurn<T>(task: () => Promise<T> | T): Promise<T> {
    return this.#lock.run(() => {
      this.checkOpen();
      return task();
    });
  }

  /** Runs `free` once, after the tasks that wait; no task after it runs. */
  close(free: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#lock.run(free);
    return this.#closing;
  }
}
