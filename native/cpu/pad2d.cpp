// Padding and cropping; see ops/pad2d.h. Vectors hold channels, or whole rows of a dense volume.
#include "ops/pad2d.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Pad2d;

namespace {

template <bool Add, class T>
STRIATE_HD void copyPixels(const T* from, T* to, std::int64_t count) {
  forEachVector<T, !Add>(
      count, [&](std::int64_t i, auto lanes) { put<Add>(to + i, load(from + i, lanes), lanes); });
}
template <bool Add, class T>
STRIATE_HD void fillPixels(T value, T* to, std::int64_t count) {
  forEachVector<T, !Add>(
      count, [&](std::int64_t i, auto lanes) { put<Add>(to + i, splat(value), lanes); });
}

template <bool Add, class T>
STRIATE_HD void forward(ThreadPool& threads, const Pad2d::Attributes& a, const View& x,
                        const View& y) {
  const auto rows = Pad2d::rows<std::int64_t>(a, x, y),
             columns = Pad2d::columns<std::int64_t>(a, x, y);
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  const bool dense = x.dense() && y.dense();
  // Columns [first, last) of y are the volume's own.
  const std::int64_t first = smaller(larger(0, columns.before), Q),
                     last = larger(first, smaller(Q, columns.before + W));
  const T value = T(a.value);
  forEachPiece(threads, x.size[0] * P, Q * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t h = rows.source(i % P), line = (i / P * H + h) * W;
      const auto pixel = [&](std::int64_t q) {
        const std::int64_t v = columns.source(q);
        T* to = at<T>(y, i * Q + q);
        if (h < 0 || v < 0)
          fillPixels<Add>(value, to, C);
        else
          copyPixels<Add>(at<const T>(x, line + v), to, C);
      };
      std::int64_t q = 0;
      for (; q < first; ++q) pixel(q);
      if (h >= 0 && dense && q < last) {
        copyPixels<Add>(at<const T>(x, line + q - columns.before), at<T>(y, i * Q + q),
                        (last - q) * C);
        q = last;
      }
      for (; q < Q; ++q) pixel(q);
    }
  });
}

template <bool Add, class T>
STRIATE_HD void backward(ThreadPool& threads, const Pad2d::Attributes& a, const View& dy,
                         const View& dx) {
  const auto rows = Pad2d::rows<std::int64_t>(a, dx, dy),
             columns = Pad2d::columns<std::int64_t>(a, dx, dy);
  const std::int64_t H = dx.size[1], W = dx.size[2], C = dx.size[3], P = dy.size[1], Q = dy.size[2];
  forEachPiece(threads, dx.size[0] * H, W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / H, h = i % H;
      for (std::int64_t v = 0; v < W; ++v)
        forEachVector<T, !Add>(C, [&](std::int64_t c, auto lanes) {
          Vector<T> sum = {};
          for (int part = 0; part < 3; ++part) {
            const auto down = rows.targets(h, part);
            for (std::int64_t p = down.first; p < down.last; ++p)
              for (int side = 0; side < 3; ++side) {
                const auto along = columns.targets(v, side);
                for (std::int64_t q = along.first; q < along.last; ++q)
                  sum += load(at<const T>(dy, (n * P + p) * Q + q, c), lanes);
              }
          }
          put<Add>(at<T>(dx, i * W + v, c), sum, lanes);
        });
    }
  });
}
}  // namespace

void pad2d(const Call& call) {
  const auto& a = *static_cast<const Pad2d::Attributes*>(call.attributes);
  const View &from = call.views[0], &to = call.views[1];
  ThreadPool& threads = call.context.threads;
  forFloatType(from.dtype, [&](auto type) {
    using T = decltype(type);
    choose(to.accumulates(), [&](auto add) {
      if (call.op == Pad2d::Forward)
        forward<add.value, T>(threads, a, from, to);
      else
        backward<add.value, T>(threads, a, from, to);
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
