export type Alignment = 'left' | 'right';

/** Lines of text in columns: a head, a rule, the rows, and, where given, a rule and a foot. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  foot: readonly string[] | undefined,
  alignments: readonly Alignment[],
): string {
  const all = [head, ...rows, ...(foot === undefined ? [] : [foot])];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        alignments[column] === 'right'
          ? cell.padStart(widths[column]!)
          : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  return [
    line(head),
    rule,
    ...rows.map(line),
    ...(foot === undefined ? [] : [rule, line(foot)]),
  ].join('\n');
}
