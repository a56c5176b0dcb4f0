// Depthwise convolution (each channel a group of its own): no matrix multiplication, vectors of channels.
// The filter is [R, S, 1, C].
#pragma once
#include "cpu/gemm/loops.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// One row of the target's grid, for both directions: sums over the taps of source * w.
template <class T>
void depthwiseRow(const Windows<T>& windows, std::int64_t row, const T* w, std::int64_t wPitch,
                  std::int64_t filterWidth, const Grid& grid, const Target<T>& target) {
  const Source<T>& s = windows.source;
  const std::int64_t i = row % grid.height, image = row / grid.height;
  const TapRange rows = tapsInside(windows.h, i, s.height);
  const std::int64_t y = i * windows.h.step + windows.h.first;
  T* out = target.c +
           ((image * grid.outHeight + i * grid.stepH + grid.firstH) * grid.outWidth + grid.firstW) *
               grid.pitch;
  for (std::int64_t j = 0; j < grid.width; ++j, out += grid.stepW * grid.pitch) {
    const TapRange columns = tapsInside(windows.w, j, s.width);
    const std::int64_t x = j * windows.w.step + windows.w.first;
    for (std::int64_t c = 0; c < s.channels; c += kLanes<T>) {
      const std::int64_t left = smaller(kLanes<T>, s.channels - c);
      const bool whole = left == kLanes<T>;
      Vector<T> sum = {};
      for (std::int64_t a = rows.begin; a < rows.end; ++a) {
        const T* line =
            s.data + (image * s.height + y + a * windows.h.delta) * s.width * s.pitch + c;
        const T* filter =
            w + (windows.h.filterFirst + a * windows.h.filterStep) * filterWidth * wPitch + c;
        for (std::int64_t b = columns.begin; b < columns.end; ++b) {
          const T* from = line + (x + b * windows.w.delta) * s.pitch;
          const T* tap = filter + (windows.w.filterFirst + b * windows.w.filterStep) * wPitch;
          sum += whole ? load(from) * load(tap) : loadPartial(from, left) * loadPartial(tap, left);
        }
      }
      if (target.add) sum += loadPartial(out + c, left);
      if (target.bias) sum += loadPartial(target.bias + c, left);
      storePartial(out + c, target.relu ? rectify<T>(sum) : sum, left);
    }
  }
}

template <class T>
void depthwise(ThreadPool& threads, const Windows<T>& windows, std::int64_t images, const T* w,
               std::int64_t wPitch, std::int64_t filterWidth, const Grid& grid,
               const Target<T>& target) {
  threads.forEach(images * grid.height, [&](std::int64_t row, int) {
    depthwiseRow(windows, row, w, wPitch, filterWidth, grid, target);
  });
}

// Gradient by the filters, in splits over the output's rows as in gemm/filter_gradient.h. `sums` is
// [R*S + 1, C] a split, the last row for db.
template <class T>
struct DepthwiseFilterGradient {
  Windows<T> windows;  // of the forward pass
  const T* dy;
  std::int64_t dyPitch;
  std::int64_t lines;  // N*P

  // Sums over lines [line, end) for one vector of channels and one tap (or, without a tap, of dy alone).
  void sum(std::int64_t line, std::int64_t end, std::int64_t a, std::int64_t b, std::int64_t c,
           T* to, bool add, bool bias) const {
    const Source<T>& s = windows.source;
    const GatherAxis &h = windows.h, &w = windows.w;
    const std::int64_t left = smaller(kLanes<T>, s.channels - c), Q = windows.targetWidth;
    Vector<T> total = {};
    for (; line < end; ++line) {
      const T* gradient = dy + line * Q * dyPitch + c;
      Vector<T> sum = {};
      if (bias) {
        for (std::int64_t q = 0; q < Q; ++q) sum += loadPartial(gradient + q * dyPitch, left);
      } else {
        const std::int64_t y = line % windows.targetHeight * h.step + h.first + a * h.delta;
        if (y < 0 || y >= s.height) continue;
        const T* from =
            s.data + (line / windows.targetHeight * s.height + y) * s.width * s.pitch + c;
        for (std::int64_t q = 0; q < Q; ++q) {
          const std::int64_t x = q * w.step + w.first + b * w.delta;
          if (x < 0 || x >= s.width) continue;
          sum += loadPartial(from + x * s.pitch, left) * loadPartial(gradient + q * dyPitch, left);
        }
      }
      total += sum;
    }
    if (add) total += loadPartial(to, left);
    storePartial(to, total, left);
  }

  void run(ThreadPool& threads, T* dw, std::int64_t dwPitch, bool addToDw, T* db, bool addToDb,
           T* workspace) const {
    const std::int64_t C = windows.source.channels,
                       taps = dw ? windows.h.count * windows.w.count : 0;
    const std::int64_t sums = taps * C + C, vectors = ceilDivide(C, kLanes<T>);
    const std::int64_t splits = smaller(ops::Conv2d::filterSplits(sums), lines);
    const std::int64_t rows = taps + (db ? 1 : 0);
    const Cut split{lines, 1, splits};
    threads.forEach(splits * vectors, [&](std::int64_t task, int) {
      const std::int64_t part = task / vectors, c = task % vectors * kLanes<T>;
      for (std::int64_t row = 0; row < rows; ++row) {
        const bool bias = row == taps;
        T* to = splits > 1 ? workspace + part * sums + row * C : bias ? db : dw + row * dwPitch;
        sum(split.begin(part), split.begin(part + 1), bias ? 0 : row / windows.w.count,
            bias ? 0 : row % windows.w.count, c, to + c, splits == 1 && (bias ? addToDb : addToDw),
            bias);
      }
    });
    if (splits == 1) return;
    threads.forEach(rows, [&](std::int64_t row, int) {
      const bool bias = row == taps, add = bias ? addToDb : addToDw;
      T* to = bias ? db : dw + row * dwPitch;
      for (std::int64_t c = 0; c < C; c += kLanes<T>) {
        const std::int64_t left = smaller(kLanes<T>, C - c);
        Vector<T> total = loadPartial(workspace + row * C + c, left);
        for (std::int64_t s = 1; s < splits; ++s)
          total += loadPartial(workspace + s * sums + row * C + c, left);
        if (add) total += loadPartial(to + c, left);
        storePartial(to + c, total, left);
      }
    });
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
