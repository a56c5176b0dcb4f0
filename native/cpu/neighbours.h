// Sums over the neighbours of each value, in its channel or across channels, for local normalisation.
// Vectors hold channels.
#pragma once
#include "cpu/rows.h"
#include "cpu/vector_math.h"
#include "ops/neighbours.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// Channels c and on of a pixel with `count` of them, zeros beyond its ends; c may be negative.
template <class T>
STRIATE_HD Vector<T> loadAround(const T* pixel, std::int64_t count, std::int64_t c) {
  if (c >= 0 && c + kLanes<T> <= count) return load(pixel + c);
  T lanes[kLanes<T>] = {};
  for (std::int64_t i = larger(-c, 0); i < smaller(kLanes<T>, count - c); ++i)
    lanes[i] = pixel[c + i];
  return load(lanes);
}

// Where a vector of channels stands.
struct Place {
  std::int64_t h, w, c;
};

// The images of a volume, read through the windows of an axis.
template <class T>
struct Neighbours {
  const T* data;
  std::int64_t pitch, H, W, C;
  ops::WindowAxis rows, columns, channels;

  STRIATE_HD Neighbours(std::int64_t size, const T* d, std::int64_t p, const View& x)
      : data(d),
        pitch(p),
        H(x.size[1]),
        W(x.size[2]),
        C(x.size[3]),
        rows(ops::neighbourhood(size, H)),
        columns(ops::neighbourhood(size, W)),
        channels(ops::neighbourhood(size, C)) {}

  // Values that are read for a row of pixels.
  STRIATE_HD std::int64_t work(bool within) const {
    return W * C * (within ? rows.size * columns.size : channels.size);
  }
  // Pixels of the window at (h, w).
  STRIATE_HD T count(std::int64_t h, std::int64_t w) const {
    return T((rows.last(h) - rows.first(h)) * (columns.last(w) - columns.first(w)));
  }
  STRIATE_HD const T* at(std::int64_t n, std::int64_t h, std::int64_t w) const {
    return data + ((n * H + h) * W + w) * pitch;
  }

  // The sum of value(x) over the window of each lane or, Reverse, over all whose windows hold it.
  template <bool Within, bool Reverse, class Lanes, class Value>
  STRIATE_HD Vector<T> sum(std::int64_t n, const Place& p, Lanes lanes, const Value& value) const {
    Vector<T> total = {};
    if constexpr (Within) {
      const std::int64_t h0 = Reverse ? rows.firstOutput(p.h) : rows.first(p.h),
                         h1 = Reverse ? rows.lastOutput(p.h) : rows.last(p.h),
                         w0 = Reverse ? columns.firstOutput(p.w) : columns.first(p.w),
                         w1 = Reverse ? columns.lastOutput(p.w) : columns.last(p.w);
      for (std::int64_t h = h0; h < h1; ++h) {
        Vector<T> row = {};
        const T* from = at(n, h, w0) + p.c;
        for (std::int64_t w = w0; w < w1; ++w, from += pitch) row += value(load(from, lanes));
        total += row;
      }
    } else {
      // Lane 0 has the lowest window, the last lane the highest; what lies beyond the pixel is zero.
      const std::int64_t before = Reverse ? channels.padAfter : channels.padBefore,
                         after = Reverse ? channels.padBefore : channels.padAfter;
      const std::int64_t from = larger(-before, 1 - kLanes<T> - p.c),
                         to = smaller(after, C - 1 - p.c);
      const T* pixel = at(n, p.h, p.w);
      for (std::int64_t d = from; d <= to; ++d) total += value(loadAround(pixel, C, p.c + d));
    }
    return total;
  }
};

// s^-beta; Krizhevsky's 3/4 by square roots.
template <class T>
STRIATE_HD Vector<T> power(Vector<T> s, T beta) {
  Vector<T> result;
  if (beta == T(0.75)) {
    for (int i = 0; i < kLanes<T>; ++i) {
      const T root = squareRoot(s[i]);
      result[i] = T(1) / (root * squareRoot(root));
    }
    return result;
  }
  for (int i = 0; i < kLanes<T>; ++i) result[i] = exponential(-beta * logarithm(s[i]));
  return result;
}

struct Square {
  template <class V>
  STRIATE_HD V operator()(V v) const {
    return v * v;
  }
};
struct Same {
  template <class V>
  STRIATE_HD V operator()(V v) const {
    return v;
  }
};

}  // namespace striate::cpu::STRIATE_ISA
#endif
