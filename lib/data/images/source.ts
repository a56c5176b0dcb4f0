import { StriateError } from '../../errors.js';

/** Where encoded images lie, by number. What it gives has not been decoded. */
export interface ImageSource {
  readonly length: number;
  readonly classes: readonly string[];
  /** What the source left out when it was opened, by name, with the reason. */
  readonly problems?: ReadonlyMap<string, string>;
  /** How messages call the image: a path, or a shard and a member of it. */
  nameOf(index: number): string;
  labelOf(index: number): number;
  /** The file's bytes. */
  read(index: number, signal?: AbortSignal): Promise<Uint8Array>;
}

export type OnError = 'throw' | 'skip';

/** Endings of the files that are images. */
export const imageEndings: ReadonlySet<string> = new Set([
  '.jpg',
  '.jpeg',
  '.png',
  '.webp',
  '.gif',
  '.tif',
  '.tiff',
  '.avif',
  '.ppm',
]);

/** Finds the number of a class by its name or, written in digits, by itself. */
export class ClassNumbers {
  private readonly numbers: ReadonlyMap<string, number>;

  constructor(readonly classes: readonly string[]) {
    this.numbers = new Map(classes.map((name, number) => [name, number]));
  }

  /**
   * A name goes before a number, so that classes may be called 7 and 8.
   * @throws StriateError `INVALID_DATA` for a class that is not among them; `where` begins the message.
   */
  of(label: string | number, where: string): number {
    const text = String(label).trim();
    const named = this.numbers.get(text);
    if (named !== undefined) return named;
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (number < this.classes.length) return number;
    const shown = this.classes.slice(0, 20).join(', ');
    const more = this.classes.length > 20 ? ` and ${this.classes.length - 20} more` : '';
    throw new StriateError(
      'INVALID_DATA',
      `${where} has the class ${text.slice(0, 80) || "''"}, which is unknown`,
      {
        remedy: `The classes are ${shown}${more}.`,
        details: { class: text },
      },
    );
  }
}
