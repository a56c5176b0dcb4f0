// Packing of the operands of the matrix multiplication. Convolution is a matrix multiplication whose
// matrix A (im2col: one row a window) is never stored: the packing gathers it from the volume, block by
// block, into the thread's scratch memory.
#pragma once
#include "cpu/gemm/blocks.h"
#include "ops/conv2d.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

using ops::GatherAxis;

// Taps [begin, end) of an axis that lie inside the source for target index i.
struct TapRange {
  std::int64_t begin, end;
};
STRIATE_HD TapRange tapsInside(const GatherAxis& axis, std::int64_t i, std::int64_t extent) {
  const std::int64_t at = i * axis.step + axis.first;
  const std::int64_t begin = at < 0 ? ceilDivide(-at, axis.delta) : 0;
  const std::int64_t end = at < extent ? ceilDivide(extent - at, axis.delta) : 0;
  return {begin, smaller(end, axis.count)};
}

// One group's channels of a batch of volumes.
template <class T>
struct Source {
  const T* data;
  std::int64_t height, width, channels;
  std::int64_t pitch;  // elements between two pixels
  const T* end;        // behind the last element that may be read

  // Whether whole vectors may be read from here on, instead of `count` elements.
  STRIATE_HD bool roomy(const T* from, std::int64_t count) const {
    return end - from >= count + kLanes<T>;
  }
};

// im2col: row (n, i, j) over the target's grid holds, for each tap (a, b), the channels of source pixel
// (i*h.step + h.first + a*h.delta, j*w.step + w.first + b*w.delta), zeros where that is outside.
template <class T>
struct Windows {
  Source<T> source;
  GatherAxis h, w;
  std::int64_t targetHeight, targetWidth;

  std::int64_t depth() const { return h.count * w.count * source.channels; }
  // Neighbouring taps of a filter row are neighbours in memory: they form one run.
  bool merged() const { return source.pitch == source.channels && (w.delta == 1 || w.count == 1); }

  // Rows [row, row + rows), steps [k, k + depth) of the reduction, to `to`, kRowStride apart.
  void pack(T* to, std::int64_t row, std::int64_t rows, std::int64_t k, std::int64_t depth) const {
    const std::int64_t run = w.count * source.channels, firstTap = k / run, firstStep = k % run;
    const bool merge = merged();
    std::int64_t j = row % targetWidth, i = row / targetWidth % targetHeight;
    const bool whole = merge && k == 0 && depth == h.count * run;
    const std::int64_t line = h.delta * source.width * source.pitch,
                       lastY = (h.count - 1) * h.delta;
    const T* image = source.data + row / (targetWidth * targetHeight) * source.height *
                                       source.width * source.pitch;
    for (std::int64_t m = 0; m < rows; ++m, to += Blocks<T>::kRowStride) {
      T* out = to;
      std::int64_t step = firstStep, left = depth, y = i * h.step + h.first + firstTap * h.delta;
      const std::int64_t x = j * w.step + w.first;
      if (whole && y >= 0 && x >= 0 && y + lastY < source.height && x + w.count <= source.width) {
        const T* corner = image + (y * source.width + x) * source.pitch;
        if (source.roomy(corner, (h.count - 1) * line + run)) {
          if (run <= kLanes<T>)
            for (std::int64_t a = 0; a < h.count; ++a)
              store(out + a * run, load(corner + a * line));
          else
            for (std::int64_t a = 0; a < h.count; ++a)
              copyVectors(out + a * run, corner + a * line, run);
          left = 0;
        }
      }
      while (left > 0) {
        const std::int64_t count = smaller(run - step, left);
        if (y < 0 || y >= source.height)
          zeroRun(out, count);
        else if (merge)
          packMerged(out, image + y * source.width * source.pitch, x, step, count);
        else
          packTaps(out, image + y * source.width * source.pitch, x, step, count);
        out += count;
        left -= count;
        step = 0;
        y += h.delta;
      }
      if (++j < targetWidth) continue;
      j = 0;
      if (++i < targetHeight) continue;
      i = 0;
      image += source.height * source.width * source.pitch;
    }
  }

 private:
  // Steps [step, step + count) of one filter row whose first tap lies at column x of `line`.
  STRIATE_HD void packMerged(T* out, const T* line, std::int64_t x, std::int64_t step,
                             std::int64_t count) const {
    const std::int64_t begin = x * source.channels + step, end = source.width * source.channels;
    if (begin >= 0 && begin + count <= end)
      return source.roomy(line + begin, count) ? copyVectors(out, line + begin, count)
                                               : copyRun(out, line + begin, count);
    const std::int64_t from = smaller(larger(-begin, 0), count);
    const std::int64_t to = larger(smaller(end - begin, count), from);
    zeroRun(out, from);
    copyRun(out + from, line + begin + from, to - from);
    zeroRun(out + to, count - to);
  }

  STRIATE_HD void packTaps(T* out, const T* line, std::int64_t x, std::int64_t step,
                           std::int64_t count) const {
    std::int64_t c = step % source.channels;
    x += step / source.channels * w.delta;
    while (count > 0) {
      const std::int64_t n = smaller(source.channels - c, count);
      if (x < 0 || x >= source.width)
        zeroRun(out, n);
      else
        source.roomy(line + x * source.pitch + c, n)
            ? copyVectors(out, line + x * source.pitch + c, n)
            : copyRun(out, line + x * source.pitch + c, n);
      out += n;
      count -= n;
      c = 0;
      x += w.delta;
    }
  }
};

// The same matrix by columns, for the gradient by the filters: rows of A are elements of the filter
// (r, s, c), the reduction runs over windows. A panel is MR rows (or fewer), kColumnStride apart for
// each window.
template <class T>
struct WindowColumns {
  static constexpr std::int64_t kPanelSize =
      std::int64_t(Blocks<T>::KC) * Blocks<T>::kColumnStride + kLanes<T>;

  // A part of a panel's rows whose elements are neighbours in the source.
  struct Piece {
    std::int64_t offset;  // in the source, from the window's first pixel
    std::int64_t y, x;    // rows below and columns right of the window's first pixel
    std::int64_t skip;    // elements of that pixel that are not meant
    std::int64_t count;
    std::int64_t lane;
  };
  struct Panel {
    Piece piece[Blocks<T>::MR];
    int pieces;
    std::int64_t minY, maxY, minX, maxX;  // what the pieces reach
    std::int64_t reach;  // elements from the window's first pixel to behind the last
  };

  Windows<T> windows;

  // Whether the volume is the matrix as it lies: windows of one pixel, one after another. The micro-kernel may read
  // one channel more than it is asked for, so their number is even.
  bool plain() const {
    return windows.h.count == 1 && windows.w.count == 1 && windows.targetHeight == 1 &&
           windows.source.height == 1 && windows.w.step == 1 && windows.w.first == 0 &&
           windows.source.channels % 2 == 0;
  }

  // Asks for rows [row, rowEnd) of windows of a plain matrix, in the order of memory: the micro-kernel takes a few
  // elements of each window, a stride that no hardware foresees.
  void prefetch(std::int64_t row, std::int64_t rowEnd, std::int64_t window,
                std::int64_t count) const {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    const T* from = windows.source.data + window * windows.source.pitch;
    for (std::int64_t i = 0; i < count; ++i, from += windows.source.pitch)
      for (std::int64_t c = row; c < rowEnd; c += kLine) __builtin_prefetch(from + c, 0, 2);
  }

  // Rows [row, row + rows) of A, at most MR.
  Panel cut(std::int64_t row, std::int64_t rows) const {
    const Source<T>& s = windows.source;
    const bool merge = windows.merged();
    const std::int64_t run = merge ? windows.w.count * s.channels : s.channels;
    Panel panel;
    panel.pieces = 0;
    panel.maxY = panel.maxX = panel.reach = 0;
    panel.minY = panel.minX = INT64_MAX;
    for (std::int64_t lane = 0; lane < rows;) {
      const std::int64_t step = (row + lane) % run, tap = (row + lane) / run;
      const std::int64_t a = merge ? tap : tap / windows.w.count;
      const std::int64_t b = merge ? step / s.channels : tap % windows.w.count;
      const std::int64_t count = smaller(run - step, rows - lane), skip = step % s.channels;
      const std::int64_t y = a * windows.h.delta, x = b * windows.w.delta;
      const std::int64_t offset = (y * s.width + x) * s.pitch + skip;
      panel.piece[panel.pieces++] = {offset, y, x, skip, count, lane};
      panel.minY = smaller(panel.minY, y);
      panel.maxY = larger(panel.maxY, y);
      panel.minX = smaller(panel.minX, x);
      panel.maxX = larger(panel.maxX, x + (skip + count - 1) / s.channels);
      panel.reach = larger(panel.reach, offset + count);
      lane += count;
    }
    return panel;
  }

  // Windows [window, window + count).
  void pack(T* to, const Panel& panel, std::int64_t window, std::int64_t count) const {
    const Source<T>& s = windows.source;
    const GatherAxis &h = windows.h, &w = windows.w;
    std::int64_t j = window % windows.targetWidth;
    std::int64_t i = window / windows.targetWidth % windows.targetHeight;
    std::int64_t image = window / (windows.targetWidth * windows.targetHeight);
    // Windows of a line whose pieces lie inside its columns.
    const std::int64_t begin = larger(0, ceilDivide(larger(0, -(w.first + panel.minX)), w.step));
    const std::int64_t room = s.width - w.first - panel.maxX;
    const std::int64_t end = room > 0 ? smaller(ceilDivide(room, w.step), windows.targetWidth) : 0;
    while (count > 0) {
      const std::int64_t last = smaller(windows.targetWidth, j + count), y = i * h.step + h.first;
      const std::int64_t line = (image * s.height + y) * s.width;
      const bool inside = y + panel.minY >= 0 && y + panel.maxY < s.height;
      const std::int64_t from = inside ? smaller(larger(begin, j), last) : last;
      const std::int64_t until = inside ? larger(smaller(end, last), from) : last;
      count -= last - j;
      to = packEdge(to, panel, line, y, j, from);
      to = packInside(to, panel, line, from, until);
      to = packEdge(to, panel, line, y, until, last);
      j = 0;
      if (++i < windows.targetHeight) continue;
      i = 0;
      ++image;
    }
  }

 private:
  // Whole vectors are written, window after window and piece after piece: what they spoil behind a
  // piece is written later.
  STRIATE_HD T* packInside(T* to, const Panel& panel, std::int64_t line, std::int64_t j,
                           std::int64_t end) const {
    const Source<T>& s = windows.source;
    const std::int64_t step = windows.w.step * s.pitch;
    std::int64_t at = (line + j * windows.w.step + windows.w.first) * s.pitch;
    const std::int64_t readable = s.end - s.data - panel.reach - kLanes<T>;
    // The next panel wants the next elements of every pixel, a stride that no hardware foresees.
    const std::int64_t next = panel.piece[0].offset + 2 * Blocks<T>::MR - 1;
    if (panel.pieces == 1 && panel.piece[0].count <= kLanes<T>) {
      const std::int64_t offset = panel.piece[0].offset;
      for (; j < end && at <= readable; ++j, at += step, to += Blocks<T>::kColumnStride) {
        __builtin_prefetch(s.data + (at + next));
        store(to, load(s.data + (at + offset)));
      }
    }
    for (; j < end && at <= readable; ++j, at += step, to += Blocks<T>::kColumnStride) {
      __builtin_prefetch(s.data + (at + next));
      for (int p = 0; p < panel.pieces; ++p) {
        const Piece& piece = panel.piece[p];
        if (Blocks<T>::MR <= kLanes<T>)
          store(to + piece.lane, load(s.data + (at + piece.offset)));
        else
          copyVectors(to + piece.lane, s.data + (at + piece.offset), piece.count);
      }
    }
    for (; j < end; ++j, at += step, to += Blocks<T>::kColumnStride)
      for (int p = 0; p < panel.pieces; ++p)
        copyRun(to + panel.piece[p].lane, s.data + (at + panel.piece[p].offset),
                panel.piece[p].count);
    return to;
  }

  STRIATE_HD T* packEdge(T* to, const Panel& panel, std::int64_t line, std::int64_t y,
                         std::int64_t j, std::int64_t end) const {
    const Source<T>& s = windows.source;
    for (; j < end; ++j, to += Blocks<T>::kColumnStride) {
      const std::int64_t first = j * windows.w.step + windows.w.first;
      for (int p = 0; p < panel.pieces; ++p) {
        const Piece& piece = panel.piece[p];
        T* out = to + piece.lane;
        zeroRun(out, piece.count);
        if (y + piece.y < 0 || y + piece.y >= s.height) continue;
        // Elements of the piece that lie inside the line: a merged piece may stick out.
        const std::int64_t x = first + piece.x;
        const std::int64_t from = x < 0 ? larger(-x * s.channels - piece.skip, 0) : 0;
        const std::int64_t until = smaller((s.width - x) * s.channels - piece.skip, piece.count);
        if (from < until)
          copyRun(out + from, s.data + ((line + first) * s.pitch + piece.offset + from),
                  until - from);
      }
    }
    return to;
  }
};

// One group's filters as matrix B of the forward pass: row k is tap and channel, columns are filters.
template <class T>
struct ForwardFilters {
  const T* w;          // [R*S*C, K], the group's first column
  std::int64_t pitch;  // of w
  std::int64_t columns;
  const T* end;  // behind the last element that may be read

  // Rows [k, k + count) of columns [column, column + NR), NR apart; anything beyond the last column,
  // for what is computed from it is never stored.
  void pack(T* to, std::int64_t column, std::int64_t k, std::int64_t count) const {
    constexpr int kLane = kLanes<T>, kAhead = 16;
    const std::int64_t left = columns - column;
    for (const T* from = w + k * pitch + column; count > 0;
         --count, from += pitch, to += Blocks<T>::NR) {
      __builtin_prefetch(from + kAhead * pitch);
      __builtin_prefetch(from + kAhead * pitch + Blocks<T>::NR - 1);
      if (end - from >= Blocks<T>::NR) {
        copyVectors(to, from, smaller(left, Blocks<T>::NR));
        continue;
      }
      for (int v = 0; v < Blocks<T>::NV; ++v) {
        const std::int64_t rest = left - v * kLane;
        store(to + v * kLane, rest >= kLane ? load(from + v * kLane)
                              : rest > 0    ? loadPartial(from + v * kLane, rest)
                                            : Vector<T>{});
      }
    }
  }
};

// ... of the gradient by the input: row k is tap and filter, columns are channels of x; the taps run
// backwards through the filter (the spatial flip), and each tap's [C, K] matrix is transposed.
template <class T>
struct BackwardFilters {
  const T* w;            // [R, S, C, K], the group's first column
  std::int64_t pitch;    // of w
  std::int64_t columns;  // C
  std::int64_t filters;  // K
  std::int64_t filterWidth;
  GatherAxis h, wAxis;

  void pack(T* to, std::int64_t column, std::int64_t k, std::int64_t count) const {
    while (count > 0) {
      const std::int64_t tap = k / filters, f = k % filters, n = smaller(filters - f, count);
      const std::int64_t r = h.filterFirst + tap / wAxis.count * h.filterStep;
      const std::int64_t s = wAxis.filterFirst + tap % wAxis.count * wAxis.filterStep;
      packTap(to, w + (r * filterWidth + s) * columns * pitch + f, column, n);
      to += n * Blocks<T>::NR;
      k += n;
      count -= n;
    }
  }

 private:
  void packTap(T* to, const T* from, std::int64_t column, std::int64_t count) const {
    constexpr int kLane = kLanes<T>;
    for (int v = 0; v < Blocks<T>::NV; ++v) {
      const std::int64_t first = column + v * kLane;
      for (std::int64_t f = 0; f < count; f += kLane) {
        const std::int64_t n = smaller(kLane, count - f);
        Vector<T> square[kLanes<T>];
#pragma GCC unroll 16
        for (int i = 0; i < kLane; ++i) {
          const T* row = from + (first + i) * pitch + f;
          square[i] = first + i >= columns ? Vector<T>{}
                      : n == kLane         ? load(row)
                                           : loadPartial(row, n);
        }
        transpose<T>(square);
#pragma GCC unroll 16
        for (int i = 0; i < kLane; ++i)
          if (i < n) store(to + (f + i) * Blocks<T>::NR + v * kLane, square[i]);
      }
    }
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
