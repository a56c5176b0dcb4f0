// Winograd's convolution forward, and the gradient by the input, which is the same over flipped and
// transposed filters. The filters are transformed once (U, in the workspace). Then a thread takes a block of tiles
// and columns through all passes, in its scratch memory: transform the input (V, one row of channels a tile and
// point), multiply each point's matrix by its filters (V*U), transform the products back into pixels. Nothing
// but U is written by one thread and read by another.
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
  // A block's most columns and tiles: more tiles would leave the second-level cache, fewer read U more often.
  static constexpr std::int64_t kColumns = 256, kMostTiles = 56;
  static_assert(9 * (kFilterRows + 1) * B::NR * sizeof(T) <= ThreadPool::kScratchBytes);

  Source<T> source;
  std::int64_t padTop, padLeft;
  Tiling<M> tiling;    // of the target
  std::int64_t pitch;  // of the target
  Filters filters;     // rows: (tap, channel of the source)
  Target<T> target;
  T* workspace;  // U

  void run(ThreadPool& threads) const {
    transformFilters(threads, workspace);
    const std::int64_t tiles = tiling.count(), columns = filters.columns;
    const Cut columnCut{columns, B::NR, ceilDivide(columns, kColumns)};
    const std::int64_t width = ceilDivide(ceilDivide(columns, B::NR), columnCut.parts) * B::NR;
    const std::int64_t most = blockTiles(width);
    const std::int64_t wanted =
        smaller(ceilDivide(kTasks, columnCut.parts), ceilDivide(tiles, B::MR));
    const Cut tileCut{tiles, 1, larger(ceilDivide(tiles, most), wanted)};
    threads.forEach(tileCut.parts * columnCut.parts, [&](std::int64_t task, int worker) {
      const std::int64_t part = task / columnCut.parts, columnPart = task % columnCut.parts;
      const std::int64_t first = tileCut.begin(part);
      const Block block{first, tileCut.begin(part + 1) - first, columnCut.begin(columnPart),
                        columnCut.begin(columnPart + 1), width};
      runBlock(block, threads.scratch(worker));
    });
  }

 private:
  // What a thread takes at a time: tiles and columns of the target.
  struct Block {
    std::int64_t first, tiles, column, columnEnd, width;
    // Elements between the matrices of two points.
    std::int64_t inputMatrix(std::int64_t depth) const {
      return Sizes::slices(depth) * tiles * kShortRowStride<T> + kLane;
    }
    std::int64_t productMatrix() const { return tiles * width + kLane; }
  };

  // Tiles whose inputs and products fit into the scratch memory.
  std::int64_t blockTiles(std::int64_t width) const {
    const std::int64_t perTile = kPoints *
                                 (Sizes::slices(source.channels) * kShortRowStride<T> + width) *
                                 std::int64_t(sizeof(T));
    const std::int64_t room =
        std::int64_t(ThreadPool::kScratchBytes) - B::MC * 8 - 2 * kPoints * kVectorBytes;
    const std::int64_t tiles = smaller(kMostTiles, room / perTile);
    return tiles > B::MR ? tiles / B::MR * B::MR : larger(1, tiles);
  }

  void runBlock(const Block& block, void* scratch) const {
    std::int64_t* const offset = static_cast<std::int64_t*>(scratch);
    T* const v = reinterpret_cast<T*>(offset + B::MC);
    T* const m = v + kPoints * block.inputMatrix(source.channels);
    for (std::int64_t i = 0; i < block.tiles; ++i) {
      offset[i] = i * block.width;
      transformTile(block, i, v);
    }
    for (int point = 0; point < kPoints; ++point) multiplyPoint(block, point, v, m, offset);
    for (std::int64_t i = 0; i < block.tiles; ++i) finishTile(block, i, m);
  }

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
  void transformTile(const Block& block, std::int64_t tile, T* v) const {
    const std::int64_t matrix = block.inputMatrix(source.channels);
    T* const to = v + tile * kShortRowStride<T>;
    const auto place = tiling.at(block.first + tile);
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
      T* out = to + c / Sizes::kSlice * block.tiles * kShortRowStride<T> + c % Sizes::kSlice;
#pragma GCC unroll 6
      for (int p = 0; p < kInputs; ++p) {
        Vector<T> row[kInputs];
        Transform::input(half[p], row);
#pragma GCC unroll 6
        for (int q = 0; q < kInputs; ++q, out += matrix) store(out, row[q]);
      }
    }
  }

  // The products of a point: [tiles, width].
  void multiplyPoint(const Block& block, int point, const T* v, T* m,
                     const std::int64_t* offset) const {
    const std::int64_t depth = source.channels;
    const Panels<T> b{workspace + point * Sizes::filterMatrix(depth, filters.columns),
                      depth * B::NR, B::NR, nullptr, filters.columns};
    const T* a = v + point * block.inputMatrix(depth);
    T* const c = m + point * block.productMatrix() - block.column;
    for (std::int64_t k = 0; k < depth; k += Sizes::kSlice) {
      multiplyBlock<T, Packing::ShortRows>(a, B::MR * kShortRowStride<T>, block.tiles,
                                           smaller(Sizes::kSlice, depth - k), b, k, block.column,
                                           block.columnEnd, {c, k > 0, false, nullptr}, offset);
      a += block.tiles * kShortRowStride<T>;
    }
  }

  void finishTile(const Block& block, std::int64_t tile, const T* m) const {
    const std::int64_t matrix = block.productMatrix();
    const T* const from = m + tile * block.width - block.column;
    const auto place = tiling.at(block.first + tile);
    const int rows = static_cast<int>(smaller(M, tiling.height - place.y)),
              across = static_cast<int>(smaller(M, tiling.width - place.x));
    T* const corner =
        target.c + ((place.image * tiling.height + place.y) * tiling.width + place.x) * pitch;
    const std::int64_t line = tiling.width * pitch;
    for (std::int64_t k = block.column; k < block.columnEnd; k += kLane) {
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
      const std::int64_t left = smaller(kLane, block.columnEnd - k);
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
