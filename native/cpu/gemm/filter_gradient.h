// Gradient by the filters: dw[R*S*C, K] = im2col(x)^T * dy, a matrix multiplication whose reduction runs
// over all windows of the batch; db is the column sum of dy, taken from the packed panels in passing.
//
// Where dw is small, the windows are cut into a fixed number of splits, each with partial sums of its
// own in the workspace; they are added in order at the end.
#pragma once
#include "cpu/gemm/loops.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

template <class T>
struct FilterGradient {
  using B = Blocks<T>;
  using Columns = WindowColumns<T>;
  // Columns of dw in a tile: its packed part of dy stays in the second-level cache.
  static constexpr std::int64_t kColumns = 1024 / std::int64_t(sizeof(T));
  // Elements of x and dy that all tiles go over before any goes on: they stay in the last-level cache.
  static constexpr std::int64_t kCached = std::int64_t(1) << 20;
  static_assert((Columns::kPanelSize + B::KC * kColumns) * sizeof(T) <= ThreadPool::kScratchBytes);

  Columns x;  // group 0
  std::int64_t groups;
  const T* dy;
  std::int64_t dyPitch;
  std::int64_t windows;  // N*P*Q
  std::int64_t rows;     // R*S*C/groups; 0: db alone
  std::int64_t filters;  // K, all groups
  T* dw;
  std::int64_t dwPitch;
  bool addToDw;
  T* db;  // null: not wanted
  bool addToDb;
  T* workspace;

  void run(ThreadPool& threads) const {
    const std::int64_t perGroup = filters / groups, sums = rows * filters + filters;
    const std::int64_t columnParts = ceilDivide(perGroup, kColumns),
                       columnTiles = columnParts * groups;
    // Splits come first: they share the packing of dy, which tiles of rows repeat.
    const std::int64_t splits =
        smaller(ops::Conv2d::filterSplits(sums),
                larger(1, smaller(ceilDivide(kTasks, columnTiles), windows / (B::KC / 2))));
    const std::int64_t rowParts =
        larger(1, smaller(ceilDivide(kTasks, columnTiles * splits), ceilDivide(rows, B::MR) / 4));
    const std::int64_t tiles = rowParts * columnTiles;
    const Cut rowCut{rows, B::MR, rowParts}, columnCut{perGroup, B::NR, columnParts};
    const Cut split{windows, 1, splits};
    const std::int64_t fitting =
        larger(kCached / (x.windows.source.channels * groups + filters), B::KC);
    const std::int64_t passes =
        rowParts * columnParts == 1 ? 1 : ceilDivide(ceilDivide(windows, splits), fitting);

    for (std::int64_t pass = 0; pass < passes; ++pass)
      threads.forEach(tiles * splits, [&](std::int64_t task, int worker) {
        const std::int64_t part = task / tiles, tile = task % tiles;
        const std::int64_t group = tile / (rowParts * columnParts);
        const std::int64_t rowPart = tile / columnParts % rowParts, columnPart = tile % columnParts;
        const std::int64_t n = columnCut.begin(columnPart), k = group * perGroup + n;
        const std::int64_t window = split.begin(part);
        const Cut section{split.begin(part + 1) - window, 1, passes};
        const Range range{rowCut.begin(rowPart),
                          rowCut.begin(rowPart + 1),
                          n,
                          columnCut.begin(columnPart + 1),
                          window + section.begin(pass),
                          window + section.begin(pass + 1)};
        if (range.window == range.windowEnd) return;
        const bool whole = splits == 1, first = section.begin(pass) == 0;
        T* const partial = workspace + part * sums;
        const Sums to{whole ? dw : partial, whole ? dwPitch : filters,
                      !first || (whole && addToDw)};
        const Sums toDb{rowPart > 0 || !db ? nullptr
                        : whole            ? db
                                           : partial + rows * filters,
                        0, !first || (whole && addToDb)};
        multiplyRange(range, group, to.from(k), toDb.from(k), threads.scratch(worker));
      });
    if (splits > 1) addPartials(threads, splits, sums);
  }

 private:
  struct Range {
    std::int64_t row, rowEnd, n, nEnd, window, windowEnd;
  };
  struct Sums {
    T* data;  // null: not wanted
    std::int64_t pitch;
    bool add;
    Sums from(std::int64_t column) const { return {data ? data + column : nullptr, pitch, add}; }
  };

  void multiplyRange(const Range& t, std::int64_t group, const Sums& to, const Sums& toDb,
                     void* scratch) const {
    const std::int64_t width = t.nEnd - t.n, perGroup = filters / groups;
    Columns source = x;
    source.windows.source.data += group * source.windows.source.channels;
    T* a = static_cast<T*>(scratch);
    T* right = a + Columns::kPanelSize;
    std::int64_t offset[B::MR];

    const Cut steps{t.windowEnd - t.window, 1, ceilDivide(t.windowEnd - t.window, B::KC)};
    const ForwardFilters<T> gradient{dy + group * perGroup, dyPitch, t.nEnd,
                                     dy + (windows - 1) * dyPitch + filters};
    for (std::int64_t step = 0; step < steps.parts; ++step) {
      const std::int64_t window = t.window + steps.begin(step);
      const std::int64_t count = t.window + steps.begin(step + 1) - window;
      for (std::int64_t n = 0; n < width; n += B::NR) {
        T* panel = right + n * count;
        gradient.pack(panel, t.n + n, window, count);
        if (toDb.data)
          sumPanel(panel, count, toDb.data + n, smaller(B::NR, width - n), toDb.add || step > 0);
      }
      if (source.plain()) source.prefetch(t.row, t.rowEnd, window, count);
      for (std::int64_t row = t.row; row < t.rowEnd; row += B::MR) {
        const std::int64_t height = smaller(B::MR, t.rowEnd - row);
        for (std::int64_t i = 0; i < height; ++i) offset[i] = (row + i) * to.pitch;
        const T* left = a;
        std::int64_t stride = B::kColumnStride;
        if (source.plain()) {
          left = source.windows.source.data + window * source.windows.source.pitch + row;
          stride = source.windows.source.pitch;
        } else {
          source.pack(a, source.cut(row, height), window, count);
        }
        multiplyBlock<T, Packing::Columns>(
            left, 0, height, count, {right, count * B::NR, B::NR, nullptr, width}, 0, 0, width,
            {to.data, to.add || step > 0, false, nullptr}, offset, stride);
      }
    }
  }

  // db of a panel's columns: kept apart by rows modulo two, for the adder's latency.
  static void sumPanel(const T* panel, std::int64_t count, T* to, std::int64_t columns, bool add) {
    for (int v = 0; v < B::NV && v * kLanes<T> < columns; ++v) {
      Vector<T> sum[2] = {};
      const T* from = panel + v * kLanes<T>;
      std::int64_t k = 0;
      for (; k + 2 <= count; k += 2) {
        sum[0] += load(from + k * B::NR);
        sum[1] += load(from + (k + 1) * B::NR);
      }
      if (k < count) sum[0] += load(from + k * B::NR);
      const std::int64_t left = smaller(kLanes<T>, columns - v * kLanes<T>);
      Vector<T> total = sum[0] + sum[1];
      if (add) total += loadPartial(to + v * kLanes<T>, left);
      storePartial(to + v * kLanes<T>, total, left);
    }
  }

  void addPartials(ThreadPool& threads, std::int64_t splits, std::int64_t sums) const {
    const std::int64_t begin = dw ? 0 : rows, end = rows + (db ? 1 : 0);
    const std::int64_t step = larger(1, 4096 / filters);
    threads.forEach(ceilDivide(end - begin, step), [&](std::int64_t task, int) {
      const std::int64_t last = smaller(begin + (task + 1) * step, end);
      for (std::int64_t row = begin + task * step; row < last; ++row) {
        const bool bias = row == rows, add = bias ? addToDb : addToDw;
        T* to = bias ? db : dw + row * dwPitch;
        const T* from = workspace + row * filters;
        for (std::int64_t k = 0; k < filters; k += kLanes<T>) {
          const std::int64_t left = smaller(kLanes<T>, filters - k);
          Vector<T> total = loadPartial(from + k, left);
          for (std::int64_t s = 1; s < splits; ++s) total += loadPartial(from + s * sums + k, left);
          if (add) total += loadPartial(to + k, left);
          storePartial(to + k, total, left);
        }
      }
    });
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
