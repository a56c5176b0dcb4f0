import { writeFile } from 'node:fs/promises';
import { thumbnailSide, type Thumbnail } from '../data/check.js';
import { StriateError } from '../errors.js';

/** Of a thousand classes so many are shown, evenly spread. */
const mostRows = 100;
const textWidth = 220;
const gap = 4;

/**
 * A picture with a row for each class: its name and some of its images.
 * @throws StriateError `INVALID_ARGUMENT` when the file cannot be written
 */
export async function writeContactSheet(
  path: string,
  classes: readonly string[],
  thumbnails: readonly Thumbnail[],
  columns: number,
): Promise<void> {
  const { default: sharp } = await import('sharp');
  const step = Math.max(1, Math.ceil(classes.length / mostRows));
  const rows = classes
    .map((name, label) => ({ name, label }))
    .filter(({ label }) => label % step === 0);
  const cell = thumbnailSide + gap;
  const width = textWidth + columns * cell + gap;
  const height = rows.length * cell + gap;
  const images = rows.flatMap(({ label }, row) =>
    thumbnails
      .filter((thumbnail) => thumbnail.label === label)
      .slice(0, columns)
      .map(({ pixels }, column) => ({
        input: Buffer.from(pixels),
        raw: { width: thumbnailSide, height: thumbnailSide, channels: 3 as const },
        left: textWidth + gap + column * cell,
        top: gap + row * cell,
      })),
  );
  const names = rows.map(
    ({ name }, row) =>
      `<text x="${gap * 2}" y="${gap + row * cell + thumbnailSide / 2 + 5}">${escaped(name)}</text>`,
  );
  const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${textWidth}" height="${height}" font-family="sans-serif" font-size="14">${names.join('')}</svg>`;
  const sheet = await sharp({
    create: { width, height, channels: 3, background: '#ffffff' },
  })
    .composite([{ input: Buffer.from(text), left: 0, top: 0 }, ...images])
    .png()
    .toBuffer();
  await writeFile(path, sheet).catch((cause: unknown) => {
    throw new StriateError('INVALID_ARGUMENT', `cannot write ${path}`, {
      remedy: 'Name a file in a folder that can be written: --sheet.',
      cause,
    });
  });
}

/** Names of classes come from folders: anything may stand in them. */
function escaped(name: string): string {
  const letters = Array.from(name);
  const short = letters.length > 26 ? `${letters.slice(0, 25).join('')}…` : name;
  return short
    .replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, '?')
    .replace(/[<>&"']/g, (found) => `&#${found.charCodeAt(0)};`);
}
