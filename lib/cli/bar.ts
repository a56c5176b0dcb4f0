import type { SingleBar } from 'cli-progress';

/** Milliseconds between two lines where there is no terminal. */
const interval = 5000;

/** How far a command is, on standard error: a bar on a terminal, a line now and then elsewhere. */
export class Bar implements Disposable {
  private bar: SingleBar | undefined;
  private nextLine = performance.now() + interval;
  private readonly begin = performance.now();
  private first: number | undefined;

  private constructor(
    private readonly title: string,
    private readonly stream: NodeJS.WriteStream,
  ) {}

  static async open(title: string, stream: NodeJS.WriteStream = process.stderr): Promise<Bar> {
    const own = new Bar(title, stream);
    if (!stream.isTTY) return own;
    const { default: bars } = await import('cli-progress');
    own.bar = new bars.SingleBar({
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
    });
    return own;
  }

  update(done: number, total: number, note = ''): void {
    this.first ??= done - 1;
    const seconds = (performance.now() - this.begin) / 1000;
    const rate = Math.round((done - this.first) / Math.max(seconds, 1e-3));
    const figures = [`${done}/${total}`, `${rate} images/s`, note].filter(Boolean).join('  ');
    if (this.bar !== undefined) {
      const payload = { title: this.title, figures };
      if (this.bar.isActive) this.bar.update(done, payload);
      else this.bar.start(total, done, payload);
      return;
    }
    if (performance.now() < this.nextLine) return;
    this.nextLine = performance.now() + interval;
    this.stream.write(`${this.title}  ${figures}\n`);
  }

  [Symbol.dispose](): void {
    if (this.bar?.isActive === true) this.bar.stop();
  }
}
