// Average pooling and its gradient; see ops/avg_pool2d.h. Inner loops run over channels.
#include "ops/avg_pool2d.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::AvgPool2d;
using ops::WindowAxis;

namespace {
constexpr int kBlock = 64;  // channels that are summed at a time

// Each row of the window is summed by itself, then the rows, so that rounding stays small for windows
// that cover a whole volume.
template <bool Add, class T>
STRIATE_HD void forward(ThreadPool& threads, const AvgPool2d::Attributes& a, const View& x, const View& y) {
  const WindowAxis rows = windowRows(a, x, y), columns = windowColumns(a, x, y);
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  // A piece is some outputs of one channel block, so that a global average runs in parallel too.
  const std::int64_t blocks = ceilDivide(C, kBlock);
  const std::int64_t work = Q * smaller(C, kBlock) * a.sizeH * a.sizeW;
  forEachPiece(threads, x.size[0] * P * blocks, work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / blocks, c0 = i % blocks * kBlock, count = smaller(kBlock, C - c0);
      const std::int64_t n = row / P, p = row % P;
      for (std::int64_t q = 0; q < Q; ++q) {
        T total[kBlock] = {};
        for (std::int64_t h = rows.first(p); h < rows.last(p); ++h) {
          T sum[kBlock] = {};
          for (std::int64_t w = columns.first(q); w < columns.last(q); ++w) {
            const T* from = at<T>(x, (n * H + h) * W + w, c0);
            for (std::int64_t c = 0; c < count; ++c) sum[c] += from[c];
          }
          for (std::int64_t c = 0; c < count; ++c) total[c] += sum[c];
        }
        const T factor = T(1) / T(AvgPool2d::divisor(a, rows, columns, p, q));
        T* to = at<T>(y, row * Q + q, c0);
        for (std::int64_t c = 0; c < count; ++c) put<Add>(to[c], total[c] * factor);
      }
    }
  });
}

// One output's share of one input pixel; adds after the first.
template <bool Add, class T>
STRIATE_HD void spread(const T* dy, T factor, std::int64_t channels, T* dx) {
  STRIATE_LANES
  for (std::int64_t c = 0; c < channels; ++c) put<Add>(dx[c], dy[c] * factor);
}

template <bool Add, class T>
STRIATE_HD void backward(ThreadPool& threads, const AvgPool2d::Attributes& a, const View& dy, const View& dx) {
  const WindowAxis rows = windowRows(a, dx, dy), columns = windowColumns(a, dx, dy);
  const std::int64_t H = dx.size[1], W = dx.size[2], C = dx.size[3], P = dy.size[1], Q = dy.size[2];
  forEachPiece(threads, dx.size[0] * H, W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / H, h = i % H;
      const std::int64_t p0 = rows.firstOutput(h), p1 = rows.lastOutput(h);
      for (std::int64_t w = 0; w < W; ++w) {
        const std::int64_t q0 = columns.firstOutput(w), q1 = columns.lastOutput(w);
        T* to = at<T>(dx, i * W + w);
        if constexpr (!Add)
          if (p1 <= p0 || q1 <= q0)
            for (std::int64_t c = 0; c < C; ++c) to[c] = T(0);
        for (std::int64_t p = p0; p < p1; ++p)
          for (std::int64_t q = q0; q < q1; ++q) {
            const T factor = T(1) / T(AvgPool2d::divisor(a, rows, columns, p, q));
            const T* from = at<T>(dy, (n * P + p) * Q + q);
            choose(Add || p > p0 || q > q0,
                   [&](auto add) { spread<add.value>(from, factor, C, to); });
          }
      }
    }
  });
}
}  // namespace

void avg_pool2d(const Call& call) {
  const auto& attributes = *static_cast<const AvgPool2d::Attributes*>(call.attributes);
  const View &from = call.views[0], &to = call.views[1];
  ThreadPool& threads = call.context.threads;
  forFloatType(from.dtype, [&](auto type) {
    using T = decltype(type);
    choose(to.accumulates(), [&](auto add) {
      if (call.op == AvgPool2d::Forward) forward<add.value, T>(threads, attributes, from, to);
      else backward<add.value, T>(threads, attributes, from, to);
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
