// The tiles of a batch of volumes, and their pixels.
#pragma once
#include "cpu/gemm/pack.h"
#include "cpu/winograd/transforms.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Tiles of M x M pixels over the planes of a batch; those at the end may hang over.
template <int M>
struct Tiling {
  std::int64_t images, height, width;  // of the tiled planes

  STRIATE_HD std::int64_t rows() const { return ceilDivide(height, M); }
  STRIATE_HD std::int64_t columns() const { return ceilDivide(width, M); }
  STRIATE_HD std::int64_t count() const { return images * rows() * columns(); }

  struct Place {
    std::int64_t image, y, x;  // of the first pixel
  };
  STRIATE_HD Place at(std::int64_t tile) const {
    const std::int64_t column = tile % columns(), row = tile / columns() % rows();
    return {tile / (rows() * columns()), row * M, column * M};
  }
};

// A square of Size x Size pixels of a volume, of which those outside are zero.
template <class T, int Size>
struct Square {
  const T* corner;  // pixel (0, 0), which may lie outside
  std::int64_t line, pitch;
  int top, bottom, left, right;  // what lies inside: [top, bottom) x [left, right)
  bool whole;

  Square(const Source<T>& s, std::int64_t image, std::int64_t y, std::int64_t x)
      : corner(s.data + ((image * s.height + y) * s.width + x) * s.pitch),
        line(s.width * s.pitch),
        pitch(s.pitch),
        top(static_cast<int>(larger(0, smaller(-y, Size)))),
        bottom(static_cast<int>(larger(0, smaller(s.height - y, Size)))),
        left(static_cast<int>(larger(0, smaller(-x, Size)))),
        right(static_cast<int>(larger(0, smaller(s.width - x, Size)))),
        whole(top == 0 && left == 0 && bottom == Size && right == Size) {}

  // Column j, channels [c, c + lanes), of which `left` exist.
  STRIATE_HD void column(int j, std::int64_t c, std::int64_t channels, Vector<T> (&d)[Size]) const {
    constexpr int kLane = kLanes<T>;
    const T* from = corner + j * pitch + c;
    if (whole && channels >= kLane) {
#pragma GCC unroll 8
      for (int i = 0; i < Size; ++i) d[i] = load(from + i * line);
      return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < Size; ++i) {
      d[i] = Vector<T>{};
      if (i < top || i >= bottom || j < left || j >= right) continue;
      d[i] = channels >= kLane ? load(from + i * line) : loadPartial(from + i * line, channels);
    }
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
