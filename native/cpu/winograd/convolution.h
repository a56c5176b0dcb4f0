// Winograd's convolution forward, and the gradient by the input, which is the same over flipped and
// transposed filters. A block of tiles goes through three passes: transform the input (V, one row of
// channels a tile and point), multiply each point's matrix by its filters (V*U), transform the products back
// into pixels. A block's V and products stay in the last-level cache.
#pragma once
#include "cpu/gemm/loops.h"
#include "cpu/winograd/tiles.h"
#include "ops/winograd.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

template <class T, int M, class Filters>
struct WinogradConvolution {
  using B = Blocks<T>;
  using Sizes = ops::Winograd;
  using Transform = Transforms<T, M>;
  static constexpr int kInputs = Transform::kInputs, kPoints = kInputs * kInputs;
  static constexpr int kLane = kLanes<T>;
  // Rows of filters that are transformed at a time: nine taps of them, in the thread's scratch memory.
  static constexpr std::int64_t kFilterRows = 64;
  // Tiles that a thread transforms at a time.
  static constexpr std::int64_t kTiles = 4;
  static_assert(9 * (kFilterRows + 1) * B::NR * sizeof(T) <= ThreadPool::kScratchBytes);
  static_assert(Sizes::kSliceStride == kShortRowStride<T> || kLane != 16);

  Source<T> source;
  std::int64_t padTop, padLeft;
  Tiling<M> tiling;    // of the target
  std::int64_t pitch;  // of the target
  Filters filters;     // rows: (tap, channel of the source)
  Target<T> target;
  T* workspace;

  void run(ThreadPool& threads) const {
    const std::int64_t depth = source.channels, columns = filters.columns;
    const std::int64_t tiles = tiling.count(), most = Sizes{M, tiles}.blockTiles(depth, columns);
    T* const u = workspace;
    T* const v = u + kPoints * Sizes::filterMatrix(depth, columns);
    T* const m = v + kPoints * Sizes::slicedMatrix(most, depth);
    transformFilters(threads, u);
    const Cut blocks{tiles, 1, ceilDivide(tiles, most)};
    for (std::int64_t block = 0; block < blocks.parts; ++block) {
      const std::int64_t first = blocks.begin(block), count = blocks.begin(block + 1) - first;
      threads.forEach(ceilDivide(count, kTiles), [&](std::int64_t task, int) {
        const std::int64_t end = smaller(count, (task + 1) * kTiles);
        for (std::int64_t tile = task * kTiles; tile < end; ++tile)
          transformTile(first + tile, v + tile * kShortRowStride<T>, count);
      });
      multiplyPoints(threads, u, v, m, count);
      threads.forEach(ceilDivide(count, kTiles), [&](std::int64_t task, int) {
        const std::int64_t end = smaller(count, (task + 1) * kTiles);
        for (std::int64_t tile = task * kTiles; tile < end; ++tile)
          finishTile(first + tile, m + tile * Sizes::paddedColumns(columns), count);
      });
    }
  }

 private:
  // U of a point: panels of NR columns, [depth, NR] each.
  void transformFilters(ThreadPool& threads, T* u) const {
    const std::int64_t depth = source.channels, columns = filters.columns;
    const std::int64_t panels = ceilDivide(columns, B::NR), pieces = ceilDivide(depth, kFilterRows);
    const std::int64_t matrix = Sizes::filterMatrix(depth, columns);
    threads.forEach(panels * pieces, [&](std::int64_t task, int worker) {
      const std::int64_t panel = task / pieces, row = task % pieces * kFilterRows;
      const std::int64_t rows = smaller(kFilterRows, depth - row);
      T* const taps = static_cast<T*>(threads.scratch(worker));
      const std::int64_t tapSize = (kFilterRows + 1) * B::NR;
      for (int tap = 0; tap < 9; ++tap)
        filters.pack(taps + tap * tapSize, panel * B::NR, tap * depth + row, rows);
      T* to = u + (panel * depth + row) * B::NR;
      for (std::int64_t i = 0; i < rows * B::NV; ++i, to += kLane) {
        Vector<T> half[kInputs][3];
#pragma GCC unroll 3
        for (int s = 0; s < 3; ++s) {
          Vector<T> g[3], column[kInputs];
#pragma GCC unroll 3
          for (int r = 0; r < 3; ++r) g[r] = load(taps + (r * 3 + s) * tapSize + i * kLane);
          Transform::filter(g, column);
#pragma GCC unroll 6
          for (int p = 0; p < kInputs; ++p) half[p][s] = column[p];
        }
#pragma GCC unroll 6
        for (int p = 0; p < kInputs; ++p) {
          Vector<T> row[kInputs];
          Transform::filter(half[p], row);
#pragma GCC unroll 6
          for (int q = 0; q < kInputs; ++q) store(to + (p * kInputs + q) * matrix, row[q]);
        }
      }
    });
  }

  // V of a point: slices of kSlice channels, [tiles, kShortRowStride] each.
  void transformTile(std::int64_t tile, T* to, std::int64_t tiles) const {
    const std::int64_t matrix = Sizes::slicedMatrix(tiles, source.channels);
    const auto place = tiling.at(tile);
    const Square<T, kInputs> square(source, place.image, place.y - padTop, place.x - padLeft);
    for (std::int64_t c = 0; c < source.channels; c += kLane) {
      Vector<T> half[kInputs][kInputs];
#pragma GCC unroll 6
      for (int j = 0; j < kInputs; ++j) {
        Vector<T> d[kInputs], column[kInputs];
        square.column(j, c, source.channels - c, d);
        Transform::input(d, column);
#pragma GCC unroll 6
        for (int p = 0; p < kInputs; ++p) half[p][j] = column[p];
      }
      T* out = to + c / Sizes::kSlice * tiles * kShortRowStride<T> + c % Sizes::kSlice;
#pragma GCC unroll 6
      for (int p = 0; p < kInputs; ++p) {
        Vector<T> row[kInputs];
        Transform::input(half[p], row);
#pragma GCC unroll 6
        for (int q = 0; q < kInputs; ++q, out += matrix) store(out, row[q]);
      }
    }
  }

  void multiplyPoints(ThreadPool& threads, const T* u, const T* v, T* m, std::int64_t tiles) const {
    const std::int64_t depth = source.channels, columns = filters.columns;
    const std::int64_t width = Sizes::paddedColumns(columns);
    const Cut rowCut{tiles, B::MR, ceilDivide(tiles, B::MC)};
    const std::int64_t panels = ceilDivide(columns, B::NR);
    const Cut columnCut{columns, B::NR, ceilDivide(panels, 1024 / B::NR)};
    const std::int64_t tasks = rowCut.parts * columnCut.parts;
    threads.forEach(kPoints * tasks, [&](std::int64_t task, int worker) {
      const std::int64_t point = task / tasks;
      const std::int64_t rowPart = task % tasks / columnCut.parts,
                         columnPart = task % columnCut.parts;
      const std::int64_t row = rowCut.begin(rowPart), rows = rowCut.begin(rowPart + 1) - row;
      std::int64_t* offset = static_cast<std::int64_t*>(threads.scratch(worker));
      for (std::int64_t i = 0; i < rows; ++i) offset[i] = i * width;
      T* const c = m + point * Sizes::plainMatrix(tiles, columns) + row * width;
      const Panels<T> b{u + point * Sizes::filterMatrix(depth, columns), depth * B::NR, B::NR,
                        nullptr, columns};
      for (std::int64_t k = 0; k < depth; k += Sizes::kSlice) {
        const T* a = v + point * Sizes::slicedMatrix(tiles, depth) +
                     (k / Sizes::kSlice * tiles + row) * kShortRowStride<T>;
        multiplyBlock<T, Packing::ShortRows>(
            a, B::MR * kShortRowStride<T>, rows, smaller(Sizes::kSlice, depth - k), b, k,
            columnCut.begin(columnPart), columnCut.begin(columnPart + 1),
            {c, k > 0, false, nullptr}, offset);
      }
    });
  }

  void finishTile(std::int64_t tile, const T* from, std::int64_t tiles) const {
    const std::int64_t columns = filters.columns, matrix = Sizes::plainMatrix(tiles, columns);
    const auto place = tiling.at(tile);
    const int rows = static_cast<int>(smaller(M, tiling.height - place.y)),
              across = static_cast<int>(smaller(M, tiling.width - place.x));
    T* const corner =
        target.c + ((place.image * tiling.height + place.y) * tiling.width + place.x) * pitch;
    const std::int64_t line = tiling.width * pitch;
    for (std::int64_t k = 0; k < columns; k += kLane) {
      Vector<T> half[M][kInputs];
#pragma GCC unroll 6
      for (int q = 0; q < kInputs; ++q) {
        Vector<T> product[kInputs], column[M];
#pragma GCC unroll 6
        for (int p = 0; p < kInputs; ++p) product[p] = load(from + (p * kInputs + q) * matrix + k);
        Transform::output(product, column);
#pragma GCC unroll 4
        for (int i = 0; i < M; ++i) half[i][q] = column[i];
      }
      const std::int64_t left = smaller(kLane, columns - k);
      const Vector<T> bias = target.bias ? loadPartial(target.bias + k, left) : Vector<T>{};
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) {
        if (i >= rows) break;
        Vector<T> pixels[M];
        Transform::output(half[i], pixels);
#pragma GCC unroll 4
        for (int j = 0; j < M; ++j) {
          if (j >= across) break;
          T* const to = corner + i * line + j * pitch + k;
          Vector<T> value = pixels[j] + bias;
          if (left == kLane) {
            if (target.add) value += load(to);
            store(to, target.relu ? rectify<T>(value) : value);
          } else {
            if (target.add) value += loadPartial(to, left);
            storePartial(to, target.relu ? rectify<T>(value) : value, left);
          }
        }
      }
    }
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
