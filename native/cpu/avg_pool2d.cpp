// Average pooling and its gradient; see ops/avg_pool2d.h. Vectors hold channels.
#include "ops/avg_pool2d.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::AvgPool2d;
using ops::WindowAxis;
using ops::WindowSweep;

namespace {
constexpr std::int64_t kBlock = 64;  // channels of one piece

// Rows [h0, h1) and columns [w0, w1) of the volume, the first of which stands at x.
struct Extent {
  std::int64_t h0, h1, w0, w1;
};

// The sum over a window of `Count` vectors of channels. Each row of the window is summed by itself,
// then the rows, so that rounding stays small for windows that cover a whole volume.
template <int Count, bool Add, class T, class Lanes>
STRIATE_HD void window(const Extent& e, const T* x, std::int64_t rowPitch, std::int64_t pixelPitch,
                       T factor, T* y, Lanes lanes) {
  Vector<T> total[Count] = {};
  for (std::int64_t h = e.h0; h < e.h1; ++h, x += rowPitch) {
    Vector<T> sum[Count] = {};
    const T* from = x;
    for (std::int64_t w = e.w0; w < e.w1; ++w, from += pixelPitch)
#pragma GCC unroll 4
      for (int k = 0; k < Count; ++k) sum[k] += load(from + k * kLanes<T>, lanes);
#pragma GCC unroll 4
    for (int k = 0; k < Count; ++k) total[k] += sum[k];
  }
#pragma GCC unroll 4
  for (int k = 0; k < Count; ++k) put<Add>(y + k * kLanes<T>, total[k] * factor, lanes);
}

template <bool Add, class T>
STRIATE_HD void forward(ThreadPool& threads, const AvgPool2d::Attributes& a, const View& x,
                        const View& y) {
  const WindowAxis rows = windowRows(a, x, y), columns = windowColumns(a, x, y);
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  const std::int64_t rowPitch = W * x.pitch;
  // A piece is some rows of outputs of one channel block, so that a global average runs in parallel
  // too.
  const std::int64_t blocks = ceilDivide(C, kBlock);
  const std::int64_t work = Q * smaller(C, kBlock) * a.sizeH * a.sizeW;
  forEachPiece(threads, x.size[0] * P * blocks, work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / blocks, c0 = i % blocks * kBlock,
                         count = smaller(kBlock, C - c0);
      const std::int64_t n = row / P, p = row % P;
      for (std::int64_t q = 0; q < Q; ++q) {
        const Extent e = {rows.first(p), rows.last(p), columns.first(q), columns.last(q)};
        const T factor = T(1) / T(AvgPool2d::divisor(a, rows, columns, p, q));
        const T* from = at<T>(x, (n * H + e.h0) * W + e.w0, c0);
        T* to = at<T>(y, row * Q + q, c0);
        std::int64_t c = 0;
        for (; c + 4 * kLanes<T> <= count; c += 4 * kLanes<T>)
          window<4, Add>(e, from + c, rowPitch, x.pitch, factor, to + c, Whole());
        forEachVector<T, false>(count - c, [&](std::int64_t k, auto lanes) {
          window<1, Add>(e, from + c + k, rowPitch, x.pitch, factor, to + c + k, lanes);
        });
      }
    }
  });
}

// One output's share of one input pixel; adds after the first.
template <bool Add, class T>
STRIATE_HD void spread(const T* dy, T factor, std::int64_t channels, T* dx) {
  forEachVector<T, !Add>(channels, [&](std::int64_t c, auto lanes) {
    put<Add>(dx + c, load(dy + c, lanes) * factor, lanes);
  });
}

template <bool Add, class T>
STRIATE_HD void backward(ThreadPool& threads, const AvgPool2d::Attributes& a, const View& dy,
                         const View& dx) {
  const WindowAxis rows = windowRows(a, dx, dy), columns = windowColumns(a, dx, dy);
  const std::int64_t H = dx.size[1], W = dx.size[2], C = dx.size[3], P = dy.size[1], Q = dy.size[2];
  forEachPiece(threads, dx.size[0] * H, W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / H, h = i % H;
      const std::int64_t p0 = rows.firstOutput(h), p1 = rows.lastOutput(h);
      WindowSweep sweep;
      for (std::int64_t w = 0; w < W; ++w) {
        sweep.reach(columns, w);
        const std::int64_t q0 = sweep.first, q1 = sweep.last;
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
      if (call.op == AvgPool2d::Forward)
        forward<add.value, T>(threads, attributes, from, to);
      else
        backward<add.value, T>(threads, attributes, from, to);
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
