// Nearest and bilinear interpolation and their gradients; see ops/resize2d.h. Vectors hold channels.
#include "ops/resize2d.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Resize2d;

namespace {
using Axis = Resize2d::Axis<std::int64_t>;

template <bool Add, bool Nearest, class T>
STRIATE_HD void forward(ThreadPool& threads, const Axis& rows, const Axis& columns, const View& x,
                        const View& y) {
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  forEachPiece(threads, x.size[0] * P, Q * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto row = rows.template tap<T>(i % P);
      const std::int64_t image = i / P * H;
      for (std::int64_t q = 0; q < Q; ++q) {
        T* to = at<T>(y, i * Q + q);
        if constexpr (Nearest) {
          const T* from = at<const T>(x, (image + row.lower) * W + columns.nearest(q));
          forEachVector<T, !Add>(C, [&](std::int64_t c, auto lanes) {
            put<Add>(to + c, load(from + c, lanes), lanes);
          });
        } else {
          const auto column = columns.template tap<T>(q);
          const auto pixel = [&](std::int64_t h, std::int64_t v) {
            return at<const T>(x, (image + h) * W + v);
          };
          const T* const upperLeft = pixel(row.lower, column.lower);
          const T* const upperRight = pixel(row.lower, column.upper);
          const T* const lowerLeft = pixel(row.upper, column.lower);
          const T* const lowerRight = pixel(row.upper, column.upper);
          const T right = column.fraction, left = T(1) - right, down = row.fraction,
                  up = T(1) - down;
          forEachVector<T, !Add>(C, [&](std::int64_t c, auto lanes) {
            const Vector<T> first =
                left * load(upperLeft + c, lanes) + right * load(upperRight + c, lanes);
            const Vector<T> second =
                left * load(lowerLeft + c, lanes) + right * load(lowerRight + c, lanes);
            put<Add>(to + c, up * first + down * second, lanes);
          });
        }
      }
    }
  });
}

template <bool Add, bool Nearest, class T>
STRIATE_HD void backward(ThreadPool& threads, const Axis& rows, const Axis& columns, const View& dy,
                         const View& dx) {
  const std::int64_t H = dx.size[1], W = dx.size[2], C = dx.size[3], P = dy.size[1], Q = dy.size[2];
  forEachPiece(threads, dx.size[0] * H, W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / H, h = i % H, p0 = rows.firstOutput(h), p1 = rows.lastOutput(h);
      for (std::int64_t v = 0; v < W; ++v) {
        const std::int64_t q0 = columns.firstOutput(v), q1 = columns.lastOutput(v);
        forEachVector<T, !Add>(C, [&](std::int64_t c, auto lanes) {
          Vector<T> sum = {};
          for (std::int64_t p = p0; p < p1; ++p) {
            const T* line = at<const T>(dy, (n * P + p) * Q, c);
            Vector<T> along = {};
            for (std::int64_t q = q0; q < q1; ++q) {
              const Vector<T> gradient = load(line + q * dy.pitch, lanes);
              if constexpr (Nearest)
                along += gradient;
              else
                along += columns.template tap<T>(q).weight(v) * gradient;
            }
            if constexpr (Nearest)
              sum += along;
            else
              sum += rows.template tap<T>(p).weight(h) * along;
          }
          put<Add>(at<T>(dx, i * W + v, c), sum, lanes);
        });
      }
    }
  });
}
}  // namespace

void resize2d(const Call& call) {
  const auto& a = *static_cast<const Resize2d::Attributes*>(call.attributes);
  const View &from = call.views[0], &to = call.views[1];
  const bool forwards = call.op == Resize2d::Forward;
  const View &x = forwards ? from : to, &y = forwards ? to : from;
  const Axis rows = Resize2d::rows<std::int64_t>(a, x, y),
             columns = Resize2d::columns<std::int64_t>(a, x, y);
  ThreadPool& threads = call.context.threads;
  forFloatType(from.dtype, [&](auto type) {
    using T = decltype(type);
    choose(to.accumulates(), [&](auto add) {
      choose(a.mode == Resize2d::Nearest, [&](auto nearest) {
        if (forwards)
          forward<add.value, nearest.value, T>(threads, rows, columns, from, to);
        else
          backward<add.value, nearest.value, T>(threads, rows, columns, from, to);
      });
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
