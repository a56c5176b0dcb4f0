// The loops around the micro-kernel. Grids of tiles follow from the shape and the instruction set alone,
// and every sum has one order, so results do not depend on the number of threads.
#pragma once
#include "cpu/gemm/micro-inl.h"
#include "cpu/gemm/pack.h"
#include "cpu/kernel.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Tasks that a grid should have, so that some more threads than there are now find work.
constexpr std::int64_t kTasks = 16;
// Rows of C up to which B is read where it lies: too few to pay for its packing.
constexpr std::int64_t kFewRows = 128;

// Matrix B in panels of NR columns. The last panel may be padded and lie elsewhere.
template <class T>
struct Panels {
  const T* data;
  std::int64_t panelStride;
  std::int64_t rowStride;
  const T* tail;  // null: lies with the others
  std::int64_t columns;

  STRIATE_HD bool inTail(std::int64_t column) const {
    return tail != nullptr && columns - column < Blocks<T>::NR;
  }
  STRIATE_HD const T* at(std::int64_t column, std::int64_t k) const {
    return inTail(column) ? tail + k * Blocks<T>::NR
                          : data + column / Blocks<T>::NR * panelStride + k * rowStride;
  }
  STRIATE_HD std::int64_t stride(std::int64_t column) const {
    return inTail(column) ? Blocks<T>::NR : rowStride;
  }
};

// What becomes of the sums.
template <class T>
struct Target {
  T* c;
  bool add;
  bool relu;
  const T* bias;  // null: none
};

// C[rows, columns [n, end)] of one packed block of A and the steps [k, k + depth) of B.
template <class T, Packing kPacking>
void multiplyBlock(const T* a, std::int64_t aPanel, std::int64_t rows, std::int64_t depth,
                   const Panels<T>& b, std::int64_t k, std::int64_t n, std::int64_t end,
                   const Target<T>& target, const std::int64_t* offset,
                   std::int64_t aStride = Blocks<T>::kColumnStride) {
  for (; n < end; n += Blocks<T>::NR) {
    const T* right = b.at(n, k);
    const std::int64_t stride = b.stride(n);
    const int columns = static_cast<int>(smaller(Blocks<T>::NR, end - n));
    for (std::int64_t i = 0; i < rows; i += Blocks<T>::MR)
      multiply<T, kPacking>({a + i / Blocks<T>::MR * aPanel, aStride, right, stride, depth,
                             target.c + n, offset + i,
                             static_cast<int>(smaller(Blocks<T>::MR, rows - i)), columns,
                             target.add, target.relu, target.bias ? target.bias + n : nullptr});
  }
}

// A range cut into equal parts of whole units.
struct Cut {
  std::int64_t size, unit, parts;

  STRIATE_HD std::int64_t begin(std::int64_t part) const {
    const std::int64_t units = (size + unit - 1) / unit;
    return smaller(part * units / parts * unit, size);
  }
};

// Rows of C within the output: row (n, i, j) is pixel (i*stepH + firstH, j*stepW + firstW) of image n.
struct Grid {
  std::int64_t height, width;        // of the grid
  std::int64_t outHeight, outWidth;  // of the output
  std::int64_t firstH, firstW, stepH, stepW;
  std::int64_t pitch;

  void offsets(std::int64_t* to, std::int64_t row, std::int64_t rows) const {
    std::int64_t j = row % width, i = row / width % height, image = row / (width * height);
    for (std::int64_t m = 0; m < rows; ++m) {
      to[m] = ((image * outHeight + i * stepH + firstH) * outWidth + j * stepW + firstW) * pitch;
      if (++j < width) continue;
      j = 0;
      if (++i < height) continue;
      i = 0;
      ++image;
    }
  }
};

// C[rows, columns] = windows * filters. `Filters` packs B into `workspace`, which has the bytes of
// Conv2d::workspaceBytes; `direct` is B itself where it can be read as it lies (null: it cannot).
template <class T, class Filters>
void multiplyWindows(ThreadPool& threads, const Windows<T>& windows, std::int64_t rows,
                     const Filters& filters, const T* direct, std::int64_t directPitch,
                     const Grid& grid, const Target<T>& target, T* workspace) {
  using B = Blocks<T>;
  const std::int64_t columns = filters.columns, depth = windows.depth();
  const std::int64_t slice = ops::Conv2d::packedRows(depth, columns);
  const bool inPlace = direct != nullptr && rows <= kFewRows;

  const std::int64_t panels = ceilDivide(columns, B::NR);
  const Cut rowCut{rows, B::MR, ceilDivide(rows, B::MC)};
  const std::int64_t wanted = larger(ceilDivide(kTasks, rowCut.parts), ceilDivide(columns, 1024));
  const Cut columnCut{columns, B::NR, larger(1, smaller(wanted, ceilDivide(panels, 2)))};

  for (std::int64_t begin = 0; begin < depth; begin += slice) {
    const std::int64_t end = smaller(begin + slice, depth), length = end - begin;
    Panels<T> b{workspace, length * B::NR, B::NR, nullptr, columns};
    const std::int64_t firstPacked = inPlace ? columns / B::NR : 0;
    if (inPlace) b = {direct + begin * directPitch, B::NR, directPitch, workspace, columns};

    const std::int64_t chunks = ceilDivide(length, B::KC);
    threads.forEach((panels - firstPacked) * chunks, [&](std::int64_t task, int) {
      const std::int64_t panel = task / chunks, k = task % chunks * B::KC;
      filters.pack(workspace + panel * length * B::NR + k * B::NR, (firstPacked + panel) * B::NR,
                   begin + k, smaller(B::KC, length - k));
    });

    threads.forEach(rowCut.parts * columnCut.parts, [&](std::int64_t task, int worker) {
      const std::int64_t row = rowCut.begin(task / columnCut.parts);
      const std::int64_t height = rowCut.begin(task / columnCut.parts + 1) - row;
      const std::int64_t n = columnCut.begin(task % columnCut.parts);
      const std::int64_t nEnd = columnCut.begin(task % columnCut.parts + 1);
      std::int64_t* offset = static_cast<std::int64_t*>(threads.scratch(worker));
      T* a = reinterpret_cast<T*>(offset + B::MC);
      grid.offsets(offset, row, height);
      const Cut steps{length, 4, ceilDivide(length, B::KC)};
      for (std::int64_t part = 0; part < steps.parts; ++part) {
        const std::int64_t k = steps.begin(part), count = steps.begin(part + 1) - k;
        const bool first = begin + k == 0, last = begin + k + count == depth;
        windows.pack(a, row, height, begin + k, count);
        multiplyBlock<T, Packing::Rows>(
            a, B::MR * B::kRowStride, height, count, b, k, n, nEnd,
            {target.c, target.add || !first, target.relu && last, last ? target.bias : nullptr},
            offset);
      }
    });
  }
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
