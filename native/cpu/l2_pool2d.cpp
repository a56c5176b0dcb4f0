// L2-norm pooling and its gradient; see ops/l2_pool2d.h. Vectors hold channels.
#include "ops/l2_pool2d.h"

#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace striate::cpu::STRIATE_ISA {

using ops::L2Pool2d;
using ops::WindowAxis;
using ops::WindowSweep;

namespace {
constexpr std::int64_t kBlock = 64;  // channels of one piece

// Rows [h0, h1) and columns [w0, w1) of the volume, the first of which stands at x.
struct Extent {
  std::int64_t h0, h1, w0, w1;
};

template <class T>
STRIATE_HD Vector<T> squareRoots(Vector<T> v) {
  for (int i = 0; i < kLanes<T>; ++i) v[i] = squareRoot(v[i]);
  return v;
}

// The norm of a window for one vector of channels. Each row is summed by itself, then the rows, so that
// rounding stays small for windows that cover a whole volume.
template <class T, class Lanes>
STRIATE_HD Vector<T> norm(const Extent& e, const T* x, std::int64_t rowPitch,
                          std::int64_t pixelPitch, Lanes lanes) {
  Vector<T> total = {};
  for (std::int64_t h = e.h0; h < e.h1; ++h, x += rowPitch) {
    Vector<T> sum = {};
    const T* from = x;
    for (std::int64_t w = e.w0; w < e.w1; ++w, from += pixelPitch) {
      const Vector<T> value = load(from, lanes);
      sum += value * value;
    }
    total += sum;
  }
  return squareRoots<T>(total);
}

template <bool Add, class T>
STRIATE_HD void forward(ThreadPool& threads, const L2Pool2d::Attributes& a, const View& x,
                        const View& y) {
  const WindowAxis rows = windowRows(a, x, y), columns = windowColumns(a, x, y);
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  // A piece is some rows of outputs of one channel block, so that a window over a whole volume runs in
  // parallel too.
  const std::int64_t blocks = ceilDivide(C, kBlock);
  const std::int64_t work = Q * smaller(C, kBlock) * a.sizeH * a.sizeW;
  forEachPiece(threads, x.size[0] * P * blocks, work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / blocks, c0 = i % blocks * kBlock,
                         count = smaller(kBlock, C - c0);
      const std::int64_t n = row / P, p = row % P;
      for (std::int64_t q = 0; q < Q; ++q) {
        const Extent e = {rows.first(p), rows.last(p), columns.first(q), columns.last(q)};
        const T* from = at<T>(x, (n * H + e.h0) * W + e.w0, c0);
        T* to = at<T>(y, row * Q + q, c0);
        forEachVector<T, !Add>(count, [&](std::int64_t c, auto lanes) {
          put<Add>(to + c, norm(e, from + c, W * x.pitch, x.pitch, lanes), lanes);
        });
      }
    }
  });
}

template <bool Add, class T>
STRIATE_HD void backward(ThreadPool& threads, const L2Pool2d::Attributes& a, const View* v) {
  const View &x = v[0], &y = v[1], &dy = v[2], &dx = v[3];
  const WindowAxis rows = windowRows(a, x, y), columns = windowColumns(a, x, y);
  const std::int64_t H = x.size[1], W = x.size[2], C = x.size[3], P = y.size[1], Q = y.size[2];
  forEachPiece(threads, x.size[0] * H, W * C, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / H, h = i % H;
      const std::int64_t p0 = rows.firstOutput(h), p1 = rows.lastOutput(h);
      WindowSweep sweep;
      for (std::int64_t w = 0; w < W; ++w) {
        sweep.reach(columns, w);
        const T* value = at<T>(x, i * W + w);
        T* to = at<T>(dx, i * W + w);
        forEachVector<T, !Add>(C, [&](std::int64_t c, auto lanes) {
          Vector<T> sum = {};
          for (std::int64_t p = p0; p < p1; ++p)
            for (std::int64_t q = sweep.first; q < sweep.last; ++q) {
              const std::int64_t window = (n * P + p) * Q + q;
              const Vector<T> length = load(at<T>(y, window, c), lanes);
              const Vector<T> gradient = load(at<T>(dy, window, c), lanes);
              sum += length == Vector<T>{} ? Vector<T>{} : gradient / length;
            }
          put<Add>(to + c, sum * load(value + c, lanes), lanes);
        });
      }
    }
  });
}
}  // namespace

void l2_pool2d(const Call& call) {
  const auto& attributes = *static_cast<const L2Pool2d::Attributes*>(call.attributes);
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  const bool forwards = call.op == L2Pool2d::Forward;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    choose(v[forwards ? 1 : 3].accumulates(), [&](auto add) {
      if (forwards)
        forward<add.value, T>(threads, attributes, v[0], v[1]);
      else
        backward<add.value, T>(threads, attributes, v);
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
