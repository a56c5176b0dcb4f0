/** Exit codes by signal: 128 and the signal's number. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof exitCodes;

/**
 * npm passes a terminal's Ctrl-C on to a child that had it from the terminal already; what follows
 * this closely is the same key press.
 */
const sameKeyPress = 250;

/**
 * The first SIGINT or SIGTERM asks for an orderly end, through `signal`; a second one exits at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  #exitCode: number | undefined;
  #at = 0;

  constructor(private readonly onFirst: (name: string) => void) {
    for (const name of Object.keys(exitCodes) as Signal[]) process.on(name, this.#handle);
  }

  readonly #handle = (name: Signal): void => {
    if (this.#exitCode !== undefined) {
      if (performance.now() - this.#at > sameKeyPress) process.exit(exitCodes[name]);
      return;
    }
    this.#exitCode = exitCodes[name];
    this.#at = performance.now();
    this.onFirst(name);
    this.#controller.abort(name);
  };

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 once a signal came. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  [Symbol.dispose](): void {
    for (const name of Object.keys(exitCodes) as Signal[]) process.off(name, this.#handle);
  }
}
