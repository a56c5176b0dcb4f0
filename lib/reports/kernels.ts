import type { KernelCount } from '../runtime/emulated.js';
import { table } from './table.js';

/** One kernel of a step, with the ratios that judge it. */
export interface KernelRow extends KernelCount {
  /** Sectors of warp accesses beside perfect coalescing: 1 is best. */
  coalescing: number;
  /** Sectors that blocks touch beside those that there are: 1 is best. */
  reuse: number;
}

const ratio = (moved: number, least: number): number => (least === 0 ? 1 : moved / least);

/** Kernels with their ratios; those that move most come first. */
export function kernelRows(counts: readonly KernelCount[]): KernelRow[] {
  return counts
    .map((count) => ({
      ...count,
      coalescing: ratio(count.sectors, count.perfectSectors),
      reuse: ratio(
        count.uniqueReads + count.uniqueWrites,
        count.readFootprint + count.writeFootprint,
      ),
    }))
    .sort((a, b) => b.sectors - a.sectors || (a.kernel < b.kernel ? -1 : 1));
}

const whole = (value: number): string => value.toLocaleString('en-US');

/** The kernels as a table. */
export function kernelTable(rows: readonly KernelRow[]): string {
  const sum = (of: (row: KernelRow) => number): string =>
    whole(rows.reduce((total, row) => total + of(row), 0));
  return table(
    ['kernel', 'launches', 'sectors', 'coalescing', 'reuse', 'conflicts', 'barriers'],
    rows.map((row) => [
      row.kernel,
      whole(row.launches),
      whole(row.sectors),
      row.coalescing.toFixed(2),
      row.reuse.toFixed(2),
      whole(row.bankConflicts),
      whole(row.barriers),
    ]),
    [
      'total',
      sum((row) => row.launches),
      sum((row) => row.sectors),
      '',
      '',
      sum((row) => row.bankConflicts),
      sum((row) => row.barriers),
    ],
    ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
  );
}
