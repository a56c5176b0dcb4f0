/** Text inside SVG: nothing of it is markup. */
export function escapeText(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (c) => entities[c]!);
}

export type Point = readonly [x: number, y: number];

const round = (n: number): string => String(Math.round(n * 10) / 10);

export function polygon(points: readonly Point[], fill: string): string {
  const list = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
  return `<polygon points="${list}" fill="${fill}"/>`;
}

/** A line with a tip at its end. */
export function arrow(points: readonly Point[]): string {
  const list = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
  return `<polyline class="edge" marker-end="url(#tip)" points="${list}"/>`;
}

export function text(
  [x, y]: Point,
  content: string,
  options: { anchor?: 'start' | 'middle' | 'end'; className?: string } = {},
): string {
  const { anchor = 'middle', className } = options;
  const style = className === undefined ? '' : ` class="${className}"`;
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${style}>${escapeText(content)}</text>`;
}

/** A group that shows `title` when the pointer rests on it. */
export function group(title: string, children: readonly string[]): string {
  return `<g><title>${escapeText(title)}</title>${children.join('')}</g>`;
}

/** A whole picture: readable on a white and on a dark page, since it brings its own ground. */
export function document(
  width: number,
  height: number,
  title: string,
  children: readonly string[],
): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img">`,
    `<title>${escapeText(title)}</title>`,
    '<style>text{font:11px system-ui,sans-serif;fill:#1c2733}.small{font-size:9.5px;fill:#5b6875}' +
      '.edge{fill:none;stroke:#7b8794;stroke-width:1.2}polygon,rect{stroke:#33415c;stroke-width:.8;stroke-linejoin:round}</style>',
    `<rect width="${w}" height="${h}" style="fill:#fff;stroke:none"/>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">' +
      '<path d="M0 0L8 4L0 8z" fill="#7b8794"/></marker></defs>',
    ...children,
    '</svg>',
    '',
  ].join('\n');
}
