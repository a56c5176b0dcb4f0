// Winograd's gradient by 3x3 filters: a tile of x and the tile of dy that it gave are transformed, and each
// point's [channels, filters] sums their products over all tiles; at the end the sums become the nine taps.
// Blocks of tiles are added in their order; db is the sum of dy, taken while dy is transformed.
#pragma once
#include "cpu/gemm/loops.h"
#include "cpu/winograd/tiles.h"
#include "ops/winograd.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

template <class T, int M>
struct WinogradFilterGradient {
  using B = Blocks<T>;
  using Sizes = ops::Winograd;
  using Transform = Transforms<T, M>;
  static constexpr int kInputs = Transform::kInputs, kPoints = kInputs * kInputs;
  static constexpr int kLane = kLanes<T>;
  // Tiles that are multiplied at a time: a panel of dy's stays in the first-level cache.
  static constexpr std::int64_t kDepth = 168;

  Source<T> x;
  std::int64_t padTop, padLeft;
  Source<T> dy;
  std::int64_t images;
  T* dw;  // [3, 3, channels, filters]
  std::int64_t dwPitch;
  bool addToDw;
  T* db;  // null: not wanted
  bool addToDb;
  T* workspace;

  void run(ThreadPool& threads) const {
    const std::int64_t channels = x.channels, filters = dy.channels;
    const Tiling<M> tiling{images, dy.height, dy.width};
    const std::int64_t tiles = tiling.count(), most = Sizes{M, tiles}.blockTiles(channels, filters);
    T* const sums = workspace;
    T* const v = sums + kPoints * Sizes::filterMatrix(channels, filters);
    T* const w = v + kPoints * Sizes::plainMatrix(most, channels + Sizes::kColumnUnit);
    T* const partial = w + kPoints * Sizes::plainMatrix(most, filters);
    const Cut blocks{tiles, 1, ceilDivide(tiles, most)};
    for (std::int64_t block = 0; block < blocks.parts; ++block) {
      const std::int64_t first = blocks.begin(block), count = blocks.begin(block + 1) - first;
      const std::int64_t groups = ceilDivide(count, Sizes::kBiasTiles);
      threads.forEach(2 * groups, [&](std::int64_t task, int) {
        const std::int64_t begin = task / 2 * Sizes::kBiasTiles,
                           end = smaller(count, begin + Sizes::kBiasTiles);
        if (task % 2 == 0)
          for (std::int64_t tile = begin; tile < end; ++tile)
            transformInput(tiling.at(first + tile), v + tile * rowStride(), count);
        else
          transformGradients(tiling, first, begin, end, w, count,
                             partial + task / 2 * Sizes::paddedColumns(filters));
      });
      if (db != nullptr) addToBias(groups, partial, addToDb || block > 0);
      multiplyPoints(threads, v, w, sums, count, block > 0);
    }
    finish(threads, sums);
  }

 private:
  std::int64_t rowStride() const { return Sizes::paddedColumns(x.channels) + kLane; }
  std::int64_t inputMatrix(std::int64_t tiles) const {
    return Sizes::plainMatrix(tiles, x.channels + Sizes::kColumnUnit);
  }

  // A tile's channels of each point: [tiles, rowStride].
  void transformInput(const typename Tiling<M>::Place& place, T* to, std::int64_t tiles) const {
    const std::int64_t matrix = inputMatrix(tiles);
    const Square<T, kInputs> square(x, place.image, place.y - padTop, place.x - padLeft);
    for (std::int64_t c = 0; c < x.channels; c += kLane) {
      Vector<T> half[kInputs][kInputs];
#pragma GCC unroll 6
      for (int j = 0; j < kInputs; ++j) {
        Vector<T> d[kInputs], column[kInputs];
        square.column(j, c, x.channels - c, d);
        Transform::input(d, column);
#pragma GCC unroll 6
        for (int p = 0; p < kInputs; ++p) half[p][j] = column[p];
      }
      T* out = to + c;
#pragma GCC unroll 6
      for (int p = 0; p < kInputs; ++p) {
        Vector<T> row[kInputs];
        Transform::input(half[p], row);
#pragma GCC unroll 6
        for (int q = 0; q < kInputs; ++q, out += matrix) store(out, row[q]);
      }
    }
  }

  // Tiles [begin, end) of the block; the filters of each point in panels, [tiles, NR] each.
  void transformGradients(const Tiling<M>& tiling, std::int64_t first, std::int64_t begin,
                          std::int64_t end, T* w, std::int64_t tiles, T* bias) const {
    const std::int64_t filters = dy.channels, matrix = Sizes::plainMatrix(tiles, filters);
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const auto place = tiling.at(first + tile);
      const Square<T, M> square(dy, place.image, place.y, place.x);
      for (std::int64_t k = 0; k < filters; k += kLane) {
        Vector<T> half[kInputs][M], sum = {};
#pragma GCC unroll 4
        for (int j = 0; j < M; ++j) {
          Vector<T> d[M], column[kInputs];
          square.column(j, k, filters - k, d);
#pragma GCC unroll 4
          for (int i = 0; i < M; ++i) sum += d[i];
          Transform::gradient(d, column);
#pragma GCC unroll 6
          for (int p = 0; p < kInputs; ++p) half[p][j] = column[p];
        }
        if (db != nullptr) store(bias + k, tile > begin ? load(bias + k) + sum : sum);
        T* out = w + (k / B::NR * tiles + tile) * B::NR + k % B::NR;
#pragma GCC unroll 6
        for (int p = 0; p < kInputs; ++p) {
          Vector<T> row[kInputs];
          Transform::gradient(half[p], row);
#pragma GCC unroll 6
          for (int q = 0; q < kInputs; ++q, out += matrix) store(out, row[q]);
        }
      }
    }
  }

  void addToBias(std::int64_t groups, const T* partial, bool add) const {
    const std::int64_t filters = dy.channels, pitch = Sizes::paddedColumns(filters);
    for (std::int64_t k = 0; k < filters; k += kLane) {
      const std::int64_t left = smaller(kLane, filters - k);
      Vector<T> sum = {};
      for (std::int64_t g = 0; g < groups; ++g) sum += load(partial + g * pitch + k);
      if (add) sum += loadPartial(db + k, left);
      storePartial(db + k, sum, left);
    }
  }

  void multiplyPoints(ThreadPool& threads, const T* v, const T* w, T* sums, std::int64_t tiles,
                      bool add) const {
    const std::int64_t channels = x.channels, filters = dy.channels;
    const std::int64_t width = Sizes::paddedColumns(filters);
    const Cut rowCut{channels, B::MR, ceilDivide(channels, B::MC)};
    const Cut steps{tiles, 1, ceilDivide(tiles, kDepth)};
    threads.forEach(kPoints * rowCut.parts, [&](std::int64_t task, int worker) {
      const std::int64_t point = task / rowCut.parts, part = task % rowCut.parts;
      const std::int64_t row = rowCut.begin(part), rows = rowCut.begin(part + 1) - row;
      std::int64_t* offset = static_cast<std::int64_t*>(threads.scratch(worker));
      for (std::int64_t i = 0; i < rows; ++i) offset[i] = i * width;
      T* const c = sums + point * Sizes::filterMatrix(channels, filters) + row * width;
      const Panels<T> b{w + point * Sizes::plainMatrix(tiles, filters), tiles * B::NR, B::NR,
                        nullptr, filters};
      for (std::int64_t step = 0; step < steps.parts; ++step) {
        const std::int64_t tile = steps.begin(step), count = steps.begin(step + 1) - tile;
        const T* a = v + point * inputMatrix(tiles) + tile * rowStride() + row;
        multiplyBlock<T, Packing::Columns>(a, B::MR, rows, count, b, tile, 0, filters,
                                           {c, add || step > 0, false, nullptr}, offset,
                                           rowStride());
      }
    });
  }

  void finish(ThreadPool& threads, const T* sums) const {
    const std::int64_t channels = x.channels, filters = dy.channels;
    const std::int64_t width = Sizes::paddedColumns(filters),
                       matrix = Sizes::filterMatrix(channels, filters);
    const std::int64_t step = larger(1, 2048 / width);
    threads.forEach(ceilDivide(channels, step), [&](std::int64_t task, int) {
      const std::int64_t end = smaller(channels, (task + 1) * step);
      for (std::int64_t c = task * step; c < end; ++c)
        for (std::int64_t k = 0; k < filters; k += kLane) {
          const std::int64_t left = smaller(kLane, filters - k);
          Vector<T> half[3][kInputs];
#pragma GCC unroll 6
          for (int q = 0; q < kInputs; ++q) {
            Vector<T> product[kInputs], column[3];
#pragma GCC unroll 6
            for (int p = 0; p < kInputs; ++p)
              product[p] = load(sums + (p * kInputs + q) * matrix + c * width + k);
            Transform::sums(product, column);
#pragma GCC unroll 3
            for (int r = 0; r < 3; ++r) half[r][q] = column[r];
          }
#pragma GCC unroll 3
          for (int r = 0; r < 3; ++r) {
            Vector<T> taps[3];
            Transform::sums(half[r], taps);
#pragma GCC unroll 3
            for (int s = 0; s < 3; ++s) {
              T* const to = dw + ((r * 3 + s) * channels + c) * dwPitch + k;
              if (addToDw) taps[s] += loadPartial(to, left);
              storePartial(to, taps[s], left);
            }
          }
        }
    });
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
