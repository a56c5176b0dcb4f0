// Local response normalisation and its gradient; see ops/local_response_norm.h. Vectors hold channels.
#include "ops/local_response_norm.h"

#include "cpu/neighbours.h"

namespace striate::cpu::STRIATE_ISA {

using ops::LocalResponseNorm;

namespace {

template <bool Add, bool Within, class T>
STRIATE_HD void forward(ThreadPool& threads, const LocalResponseNorm::Attributes& a, const View& x,
                        const View& y) {
  const Neighbours<T> values(a.size, x.as<T>(), x.pitch, x);
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
  const Neighbours<T> values(a.size, x.as<T>(), x.pitch, x), shares(a.size, parts, x.size[3], x);
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
