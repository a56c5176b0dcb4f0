import type { SingleBar } from 'cli-progress';
import type { MetricSums } from './metrics.js';

/** What a progress line shows of an epoch that is under way. */
export interface ProgressState {
  epoch: number;
  epochs: number;
  /** Steps of this epoch that are done, and all of them where that is known. */
  step: number;
  steps: number | undefined;
  /** Samples and seconds since this epoch began, the waiting for data included. */
  samples: number;
  seconds: number;
  dataWait: number;
  sums: MetricSums;
}

/** A line on standard error: redrawn in place on a terminal, printed now and then elsewhere. */
export interface Progress {
  update(state: ProgressState): void;
  /** The epoch is over: its line stays. `note` follows it, e.g. the validation's figures. */
  finish(state: ProgressState, note: string): void;
  stop(): void;
}

/** `terminal` decides the form; the bar's library is loaded only when it is used. */
export async function openProgress(
  stream: NodeJS.WriteStream = process.stderr,
  terminal: boolean = stream.isTTY,
): Promise<Progress> {
  if (!terminal) return new PlainLines(stream);
  const { default: bars } = await import('cli-progress');
  return new TerminalBar(
    new bars.SingleBar({
      stream,
      format: '{title} {bar} {percentage} % {figures}',
      hideCursor: true,
      clearOnComplete: true,
      fps: 8,
      barsize: 20,
      barCompleteChar: '#',
      barIncompleteChar: '-',
      gracefulExit: false,
      linewrap: false,
    }),
    stream,
  );
}

class TerminalBar implements Progress {
  private running = false;

  constructor(
    private readonly bar: SingleBar,
    private readonly stream: NodeJS.WriteStream,
  ) {}

  update(state: ProgressState): void {
    const payload = { title: title(state), figures: figures(state) };
    if (!this.running) {
      this.bar.start(state.steps ?? state.step, state.step, payload);
      this.running = true;
    } else this.bar.update(state.step, payload);
  }

  finish(state: ProgressState, note: string): void {
    this.stop();
    this.stream.write(`${title(state)}  ${figures(state, false)}${note}\n`);
  }

  stop(): void {
    if (this.running) this.bar.stop();
    this.running = false;
  }
}

/** Seconds between two plain lines. */
const plainInterval = 5;

class PlainLines implements Progress {
  private nextAt = plainInterval;
  private epoch = -1;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  update(state: ProgressState): void {
    if (state.epoch !== this.epoch) {
      this.epoch = state.epoch;
      this.nextAt = plainInterval;
    }
    if (state.seconds < this.nextAt) return;
    this.nextAt = state.seconds + plainInterval;
    const steps = state.steps === undefined ? '' : `/${state.steps}`;
    this.stream.write(`${title(state)}  step ${state.step}${steps}  ${figures(state)}\n`);
  }

  finish(state: ProgressState, note: string): void {
    this.stream.write(`${title(state)}  ${figures(state, false)}${note}\n`);
  }

  stop(): void {
    this.epoch = -1;
  }
}

function title({ epoch, epochs }: ProgressState): string {
  return Number.isFinite(epochs) ? `epoch ${epoch + 1}/${epochs}` : `epoch ${epoch + 1}`;
}

function figures(state: ProgressState, underWay = true): string {
  const { samples, seconds, dataWait, sums, step, steps } = state;
  const { loss, accuracy, own } = sums.metrics;
  const parts = [
    `${Math.round(samples / Math.max(seconds, 1e-9))} images/s`,
    `loss ${loss.toFixed(4)}`,
  ];
  if (!Number.isNaN(accuracy)) parts.push(`accuracy ${(100 * accuracy).toFixed(2)} %`);
  parts.push(...ownFigures(own));
  parts.push(`data wait ${((100 * dataWait) / Math.max(seconds, 1e-9)).toFixed(0)} %`);
  if (underWay && steps !== undefined && step > 0)
    parts.push(`${duration((seconds / step) * (steps - step))} left`);
  if (!underWay) parts.push(duration(seconds));
  return parts.join('  ');
}

/** `name 0.1234` of each of the caller's own metrics. */
export function ownFigures(own: Readonly<Record<string, number>> = {}): string[] {
  return Object.entries(own).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}
