// Local response normalisation and its gradient; see ops/local_response_norm.h. Vectors hold channels.
#include "ops/local_response_norm.h"

#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace striate::cpu::STRIATE_ISA {

using ops::LocalResponseNorm;
using ops::WindowAxis;

namespace {

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
  WindowAxis rows, columns, channels;

  STRIATE_HD Neighbours(const LocalResponseNorm::Attributes& a, const T* d, std::int64_t p,
                        const View& x)
      : data(d),
        pitch(p),
        H(x.size[1]),
        W(x.size[2]),
        C(x.size[3]),
        rows(LocalResponseNorm::axis(a, H)),
        columns(LocalResponseNorm::axis(a, W)),
        channels(LocalResponseNorm::axis(a, C)) {}

  // Values that are read for a row of pixels.
  STRIATE_HD std::int64_t work(bool within) const {
    return W * C * (within ? rows.size * columns.size : channels.size);
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

template <bool Add, bool Within, class T>
STRIATE_HD void forward(ThreadPool& threads, const LocalResponseNorm::Attributes& a, const View& x,
                        const View& y) {
  const Neighbours<T> values(a, x.as<T>(), x.pitch, x);
  const std::int64_t H = values.H, W = values.W, C = values.C;
  forEachPiece(
      threads, x.size[0] * H, values.work(Within), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row)
          for (std::int64_t w = 0; w < W; ++w) {
            const T* from = at<T>(x, row * W + w);
            T* to = at<T>(y, row * W + w);
            forEachVector<T, !Add>(C, [&](std::int64_t c, auto lanes) {
              const Vector<T> s =
                  values.template sum<Within, false>(row / H, {row % H, w, c}, lanes, Square()) *
                      T(a.scale) +
                  T(a.k);
              put<Add>(to + c, load(from + c, lanes) * power<T>(s, T(a.beta)), lanes);
            });
          }
      });
}

// s^-beta of each pixel of a row goes to dx, t to the workspace; then dx takes its second term.
template <bool Add, bool Within, class T>
STRIATE_HD void backward(ThreadPool& threads, const LocalResponseNorm::Attributes& a,
                         const View* v) {
  const View &x = v[0], &dy = v[1], &dx = v[2];
  T* const parts = v[3].as<T>();
  const Neighbours<T> values(a, x.as<T>(), x.pitch, x), shares(a, parts, x.size[3], x);
  const std::int64_t H = values.H, W = values.W, C = values.C;
  const T factor = T(2) * T(a.scale) * T(a.beta);
  const auto base = [&](std::int64_t row, std::int64_t w, std::int64_t c, auto lanes) {
    return values.template sum<Within, false>(row / H, {row % H, w, c}, lanes, Square()) *
               T(a.scale) +
           T(a.k);
  };
  const auto share = [&](std::int64_t row, std::int64_t w) {
    const std::int64_t pixel = row * W + w;
    forEachVector<T, true>(C, [&](std::int64_t c, auto lanes) {
      const Vector<T> s = base(row, w, c, lanes);
      const Vector<T> product = load(at<T>(dy, pixel, c), lanes) * load(at<T>(x, pixel, c), lanes);
      put<false>(parts + pixel * C + c, product * power<T>(s, T(a.beta)) / s, lanes);
    });
  };
  // dx may be dy: no vector is taken twice.
  const auto gather = [&](std::int64_t row, std::int64_t w) {
    const std::int64_t pixel = row * W + w;
    forEachVector<T, false>(C, [&](std::int64_t c, auto lanes) {
      const Vector<T> sum =
          shares.template sum<Within, true>(row / H, {row % H, w, c}, lanes, Same());
      const Vector<T> factors = power<T>(base(row, w, c, lanes), T(a.beta));
      put<Add>(at<T>(dx, pixel, c),
               LocalResponseNorm::gradient(load(at<T>(x, pixel, c), lanes),
                                           load(at<T>(dy, pixel, c), lanes), factors, sum,
                                           splat(factor)),
               lanes);
    });
  };
  const auto forEachRow = [&](const auto& body) {
    forEachPiece(threads, x.size[0] * H, values.work(Within),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row)
                     for (std::int64_t w = 0; w < W; ++w) body(row, w);
                 });
  };
  if constexpr (Within) {
    forEachRow(share);
    forEachRow(gather);
  } else {
    forEachRow([&](std::int64_t row, std::int64_t w) {
      share(row, w);
      gather(row, w);
    });
  }
}
}  // namespace

void local_response_norm(const Call& call) {
  const auto& a = *static_cast<const LocalResponseNorm::Attributes*>(call.attributes);
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  const bool forwards = call.op == LocalResponseNorm::Forward;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    choose(v[forwards ? 1 : 2].accumulates(), [&](auto add) {
      choose(a.region == LocalResponseNorm::Within, [&](auto within) {
        if (forwards)
          forward<add.value, within.value, T>(threads, a, v[0], v[1]);
        else
          backward<add.value, within.value, T>(threads, a, v);
      });
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
