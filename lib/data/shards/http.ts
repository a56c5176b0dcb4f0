import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError, StriateError } from '../../errors.js';
import { checkNames, describe, invalid } from '../../graph/options.js';
import { mostBytes, type FileState, type RandomBytes } from './bytes.js';

export interface HttpOptions {
  /** Further attempts after one that failed; default 5. An attempt that brought some bytes is none. */
  retries?: number;
  /** Milliseconds without a byte after which an attempt has failed; default 30,000. */
  timeout?: number;
  /** Milliseconds before the second attempt; each further pause is twice as long. Default 250. */
  backoff?: number;
  /** Headers of every request: `{ authorization: 'Bearer ...' }`. */
  headers?: Readonly<Record<string, string>>;
}

/** No pause is longer, whatever `backoff` and the server's Retry-After say. */
const longestPause = 60_000;

/** An answer with fewer bytes than this, and fewer than asked, has failed: a server may not drip. */
const leastProgress = 4096;

/** @throws StriateError `INVALID_ARGUMENT` */
export function readHttpOptions(where: string, options: HttpOptions = {}): Required<HttpOptions> {
  checkNames(`${where}: http`, ['retries', 'timeout', 'backoff', 'headers'], options);
  const read = { retries: 5, timeout: 30_000, backoff: 250, headers: {}, ...options };
  for (const name of ['retries', 'timeout', 'backoff'] as const)
    if (!Number.isSafeInteger(read[name]) || read[name] < (name === 'timeout' ? 1 : 0))
      throw invalid(`${where}: http.${name} is ${describe(read[name])}`, 'Give a whole number.');
  return read;
}

/**
 * A file behind HTTP or HTTPS, read by range requests.
 * @internal
 */
export class HttpFile implements RandomBytes {
  private total: number | undefined;

  constructor(
    readonly name: string,
    private readonly options: Required<HttpOptions>,
  ) {}

  async describe(signal?: AbortSignal): Promise<FileState> {
    if (this.total === undefined)
      await this.persist(signal, async (attempt) => {
        await this.request(this.name, attempt, { range: 'bytes=0-0' }, async (response) => {
          // An empty file has no first byte: 416, or the whole of it.
          const empty = response.headers.get('content-length') === '0';
          if (empty && (response.status === 416 || response.status === 200)) this.total = 0;
          this.checkPart(response, 0);
          await response.body?.cancel();
        });
        return true;
      });
    return { bytes: this.total!, modified: null };
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let at = 0;
    if (length === 0) return bytes;
    await this.persist(signal, async (attempt) => {
      const range = `bytes=${offset + at}-${offset + length - 1}`;
      const before = at;
      try {
        await this.request(this.name, attempt, { range }, async (response) => {
          this.checkPart(response, offset + at);
          for await (const chunk of chunksOf(response, attempt)) {
            const some = chunk.subarray(0, length - at);
            bytes.set(some, at);
            at += some.length;
            if (at === length) break;
          }
        });
      } catch (error) {
        if (error instanceof Refused || at - before < leastProgress) throw error;
      }
      if (at < length && at - before < leastProgress)
        throw new Error(`the server sent ${at - before} of ${length - before} bytes`);
      return at === length;
    });
    return bytes;
  }

  async beside(name: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    let found: Buffer | undefined;
    await this.persist(signal, async (attempt) => {
      await this.request(name, attempt, {}, async (response) => {
        if (response.status !== 200) {
          await response.body?.cancel();
          return;
        }
        const parts: Uint8Array[] = [];
        let size = 0;
        for await (const chunk of chunksOf(response, attempt)) {
          parts.push(chunk);
          size += chunk.length;
          if (size > mostBytes) return;
        }
        found = Buffer.concat(parts);
      });
      return true;
    });
    return found;
  }

  /** Calls `attempt` until it is true. It throws `Refused` for what another attempt would not change. */
  private async persist(
    signal: AbortSignal | undefined,
    work: (attempt: Attempt) => Promise<boolean>,
  ): Promise<void> {
    const { retries, backoff, timeout } = this.options;
    for (let failures = 0; ;) {
      if (signal?.aborted) throw cancelled(signal);
      const attempt = new Attempt(timeout, signal);
      try {
        if (await work(attempt)) return;
      } catch (cause) {
        if (signal?.aborted) throw cancelled(signal);
        if (cause instanceof Refused) throw this.failure(cause.message, cause.remedy, cause);
        const reason = attempt.stalled ? `no byte within ${timeout} ms` : reasonOf(cause);
        if (failures++ >= retries)
          throw this.failure(
            `${reason}, after ${failures} attempts`,
            'Look whether the server is well; http.retries and http.timeout say how long to try.',
            cause,
          );
        const asked = cause instanceof Busy ? cause.pause : 0;
        const pause = Math.min(Math.max(backoff * 2 ** (failures - 1), asked), longestPause);
        await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => {
          throw cancelled(signal!);
        });
      } finally {
        attempt.end();
      }
    }
  }

  /** Sends a request and hands on its answer. Answers that mean "later" throw, so do those that refuse. */
  private async request(
    url: string,
    attempt: Attempt,
    headers: Record<string, string>,
    take: (response: Response) => Promise<void>,
  ): Promise<void> {
    const response = await fetch(url, {
      headers: { 'accept-encoding': 'identity', ...this.options.headers, ...headers },
      signal: attempt.signal,
    });
    attempt.alive();
    const { status } = response;
    if (status === 408 || status === 425 || status === 429 || status >= 500) {
      await response.body?.cancel();
      throw new Busy(status, response.headers.get('retry-after'));
    }
    await take(response);
  }

  /** A partial answer that begins where it should, of a file as long as before. */
  private checkPart(response: Response, offset: number): void {
    const { status } = response;
    if (this.total === 0 && status !== 206) return;
    if (status === 200)
      throw new Refused(
        'the server does not give parts of a file',
        'Shards need a server that answers range requests; or copy them to a disk.',
      );
    if (status !== 206)
      throw new Refused(`the server answers ${status}`, 'Look whether the address is right.');
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
    if (!range) throw new Error('the server does not say which part it sends');
    if (Number(range[1]) !== offset)
      throw new Error(`the server sends bytes from ${range[1]!}, not from ${offset}`);
    const total = Number(range[2]);
    if (this.total !== undefined && this.total !== total)
      throw new Refused(
        `the file had ${this.total} bytes and now has ${total}`,
        'Open the data set anew; shards must not change while they are read.',
      );
    this.total = total;
  }

  private failure(message: string, remedy: string, cause: unknown): StriateError {
    return new StriateError('INVALID_DATA', `${this.name}: ${message}`, {
      remedy,
      details: { url: this.name },
      cause,
    });
  }
}

/** Another attempt would not change it. */
class Refused extends Error {
  constructor(
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }
}

/** The server asks to come again. */
class Busy extends Error {
  /** Milliseconds. */
  readonly pause: number;

  constructor(status: number, retryAfter: string | null) {
    super(`the server answers ${status}`);
    const seconds = Number(retryAfter ?? 0);
    this.pause = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
  }
}

/** One request: it ends when no byte has come for a while, or the caller aborts. */
class Attempt {
  stalled = false;
  private readonly controller = new AbortController();
  private readonly abort = (): void => this.controller.abort(this.outer?.reason);
  private timer: NodeJS.Timeout;

  constructor(
    private readonly timeout: number,
    private readonly outer: AbortSignal | undefined,
  ) {
    this.timer = this.watch();
    outer?.addEventListener('abort', this.abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Something came. */
  alive(): void {
    clearTimeout(this.timer);
    this.timer = this.watch();
  }

  end(): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener('abort', this.abort);
  }

  private watch(): NodeJS.Timeout {
    return setTimeout(() => {
      this.stalled = true;
      this.controller.abort();
    }, this.timeout);
  }
}

async function* chunksOf(response: Response, attempt: Attempt): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  // Leaving the loop early cancels the answer.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    attempt.alive();
    yield chunk;
  }
}

/** `fetch failed` says nothing, its cause does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message;
}

function cancelled(signal: AbortSignal): CancelledError {
  return new CancelledError('reading was aborted', { cause: signal.reason });
}
