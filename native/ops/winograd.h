// Sizes of Winograd's convolution (Lavin and Gray, arXiv:1509.09308): 3x3 filters, stride 1. The output is
// cut into tiles of M x M pixels; a tile needs (M + 2) x (M + 2) pixels of the input. Transformed, the
// convolution is `points` = (M + 2)^2 independent matrix multiplications over all tiles.
//
// The workspace holds the transformed filters; the gradient by the filters takes tiles a block at a time. It is
// the same on every instruction set (lib/layers/conv2d-winograd.ts repeats it).
#pragma once
#include <cstdint>

#include "ops/view.h"

namespace striate::ops {

struct Winograd {
  static constexpr std::int64_t kTileUnit = 84;  // rows of every micro-kernel divide it, or nearly
  static constexpr std::int64_t kBlockBytes = std::int64_t(12) << 20;
  static constexpr std::int64_t kSlice = 128;  // channels that are multiplied at a time
  static constexpr std::int64_t kMostChannels =
      16384;  // a tile of more has no room in the scratch memory
  static constexpr std::int64_t kColumnUnit = 64;
  static constexpr std::int64_t kFloat = 4;
  static constexpr std::int64_t kBiasTiles = 12;  // whose sum of dy is taken together
  // Behind each matrix, so that those of neighbouring points do not lie a power of two apart.
  static constexpr std::int64_t kGap = 16;

  std::int64_t tile;   // M
  std::int64_t tiles;  // of the batch

  STRIATE_HD static constexpr Winograd of(std::int64_t tile, std::int64_t images,
                                          std::int64_t height, std::int64_t width) {
    return {tile, images * ((height + tile - 1) / tile) * ((width + tile - 1) / tile)};
  }
  STRIATE_HD constexpr std::int64_t points() const { return (tile + 2) * (tile + 2); }

  STRIATE_HD static constexpr std::int64_t roundUp(std::int64_t n, std::int64_t unit) {
    return (n + unit - 1) / unit * unit;
  }
  STRIATE_HD static constexpr std::int64_t paddedColumns(std::int64_t columns) {
    return roundUp(columns, kColumnUnit);
  }
  // Elements of a tile's channels, cut into slices.
  STRIATE_HD static constexpr std::int64_t slices(std::int64_t depth) {
    return (depth + kSlice - 1) / kSlice;
  }
  // Tiles of a block: as many as fit into the last-level cache, and at least one unit, where there are as many.
  STRIATE_HD constexpr std::int64_t blockTiles(std::int64_t channels, std::int64_t filters) const {
    const std::int64_t perTile =
        points() * (paddedColumns(channels + kColumnUnit) + paddedColumns(filters)) * kFloat;
    const std::int64_t units = kBlockBytes / perTile / kTileUnit;
    const std::int64_t fitting = (units < 1 ? 1 : units) * kTileUnit,
                       all = roundUp(tiles, kBiasTiles);
    return fitting < all ? fitting : all;
  }

  // Elements between the matrices of two points.
  STRIATE_HD static constexpr std::int64_t filterMatrix(std::int64_t depth, std::int64_t columns) {
    return depth * paddedColumns(columns) + kGap;
  }
  STRIATE_HD static constexpr std::int64_t plainMatrix(std::int64_t tiles, std::int64_t columns) {
    return tiles * paddedColumns(columns) + kGap;
  }

  // Forward, and the gradient by the input, for which channels and filters change places.
  STRIATE_HD constexpr std::int64_t convolutionBytes(std::int64_t depth,
                                                     std::int64_t columns) const {
    return points() * kFloat * filterMatrix(depth, columns);
  }
  // The gradient by the filters: sums [channels, filters] of every point, and the tiles of x and dy; the
  // partial sums of db, one row for each group of tiles.
  STRIATE_HD constexpr std::int64_t filterGradientBytes(std::int64_t channels,
                                                        std::int64_t filters) const {
    const std::int64_t tiles = blockTiles(channels, filters);
    return kFloat *
           (points() * (filterMatrix(channels, filters) +
                        plainMatrix(tiles, channels + kColumnUnit) + plainMatrix(tiles, filters)) +
            tiles / kBiasTiles * paddedColumns(filters));
  }
};

}  // namespace striate::ops
