// Winograd's convolution on the CPU device: where it pays, and its workspace, which native/ops/winograd.h
// computes too.

export type ConvDirection = 'forward' | 'backwardData' | 'backwardFilter';

/** Tile of the output, in pixels a side; 0: another algorithm. */
export type WinogradTile = 0 | 2 | 4;

const tileUnit = 84;
const blockBytes = 12 * 2 ** 20;
const columnUnit = 64;
const gap = 16;
const biasTiles = 12;
const float = 4;
const mostChannels = 16384;

const padded = (columns: number): number => Math.ceil(columns / columnUnit) * columnUnit;
const pointsOf = (tile: WinogradTile): number => (tile + 2) ** 2;

/** Of all images' planes. */
export const tilesOf = (
  tile: WinogradTile,
  images: number,
  [height, width]: readonly [number, number],
): number => images * Math.ceil(height / tile) * Math.ceil(width / tile);

function blockTiles(points: number, tiles: number, channels: number, filters: number): number {
  const perTile = points * (padded(channels + columnUnit) + padded(filters)) * float;
  const fitting = Math.max(1, Math.floor(Math.floor(blockBytes / perTile) / tileUnit)) * tileUnit;
  return Math.min(fitting, Math.ceil(tiles / biasTiles) * biasTiles);
}

/** Bytes of the operand `workspace`; `all` are the tiles of the batch. */
export function winogradWorkspace(
  direction: ConvDirection,
  tile: WinogradTile,
  all: number,
  channels: number,
  filters: number,
): number {
  const points = pointsOf(tile);
  const [c, k] = direction === 'backwardData' ? [filters, channels] : [channels, filters];
  const transformed = c * padded(k) + gap;
  if (direction !== 'backwardFilter') return float * points * transformed;
  const tiles = blockTiles(points, all, c, k);
  const blocks = tiles * (padded(c + columnUnit) + padded(k)) + 2 * gap;
  return float * (points * (transformed + blocks) + Math.floor(tiles / biasTiles) * padded(k));
}

/** What transforming one number costs, in multiply-adds of the matrix product (measured: AVX2, AVX-512). */
const transformCost = 20;
/** The same for each filter element and point, once a call: they go through memory. */
const filterCost = 4;

/**
 * The tile that costs least, counted in multiply-adds: `points (C K + transforms)` a tile against `9 C K` a
 * pixel. Tiles that hang over the border compute pixels that nobody wants.
 */
export function chooseTile(
  batch: number,
  plane: readonly [number, number],
  channels: number,
  filters: number,
): WinogradTile {
  const products = channels * filters;
  const costOf = (tile: 2 | 4): number => {
    const tiles = tilesOf(tile, batch, plane);
    const perTile = products + transformCost * (channels + filters);
    return pointsOf(tile) * (tiles * perTile + filterCost * products);
  };
  if (channels > mostChannels || filters > mostChannels) return 0;
  let best: WinogradTile = 0;
  let least = batch * plane[0] * plane[1] * 9 * products;
  for (const tile of [2, 4] as const)
    if (costOf(tile) < least) [best, least] = [tile, costOf(tile)];
  return best;
}
