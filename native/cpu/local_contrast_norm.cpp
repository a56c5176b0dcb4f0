// Local contrast normalisation and its gradient; see ops/local_contrast_norm.h. Vectors hold channels.
#include "ops/local_contrast_norm.h"

#include "cpu/neighbours.h"

namespace striate::cpu::STRIATE_ISA {

using ops::LocalContrastNorm;

namespace {

// x, and the volumes of the workspace, as the op names them.
template <class T>
struct Volumes {
  const LocalContrastNorm::Attributes& a;
  const View& x;
  std::int64_t H, W, C;
  T *d, *t, *e;
  Neighbours<T> values, distances, shares, slopes;

  STRIATE_HD Volumes(const LocalContrastNorm::Attributes& attributes, const View& input,
                     const View& workspace)
      : a(attributes),
        x(input),
        H(x.size[1]),
        W(x.size[2]),
        C(x.size[3]),
        d(workspace.as<T>()),
        t(d + x.elements()),
        e(t + x.elements()),
        values(a.size, x.as<T>(), x.pitch, x),
        distances(a.size, d, C, x),
        shares(a.size, t, C, x),
        slopes(a.size, e, C, x) {}

  // Calls body(row, w, c, lanes) for every vector; row counts those of the batch. With `Again` the last
  // vectors of a pixel may overlap.
  template <bool Again, class Body>
  STRIATE_HD void forEach(ThreadPool& threads, const Body& body) const {
    forEachPiece(threads, x.size[0] * H, values.work(true),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row)
                     for (std::int64_t w = 0; w < W; ++w)
                       forEachVector<T, Again>(
                           C, [&](std::int64_t c, auto lanes) { body(row, w, c, lanes); });
                 });
  }
  STRIATE_HD std::int64_t at(std::int64_t row, std::int64_t w, std::int64_t c) const {
    return (row * W + w) * C + c;
  }
  template <class Lanes>
  STRIATE_HD Vector<T> input(std::int64_t row, std::int64_t w, std::int64_t c, Lanes lanes) const {
    return load(x.as<T>() + (row * W + w) * x.pitch + c, lanes);
  }
  // s, where d is written.
  template <class Lanes>
  STRIATE_HD Vector<T> base(std::int64_t row, std::int64_t w, std::int64_t c, Lanes lanes) const {
    return distances.template sum<true, false>(row / H, {row % H, w, c}, lanes, Square()) *
               T(a.scale) +
           T(a.k);
  }
  STRIATE_HD void writeDistances(ThreadPool& threads) const {
    forEach<true>(threads, [&](std::int64_t row, std::int64_t w, std::int64_t c, auto lanes) {
      const Vector<T> sum =
          values.template sum<true, false>(row / H, {row % H, w, c}, lanes, Same());
      put<false>(d + at(row, w, c), input(row, w, c, lanes) - sum / values.count(row % H, w),
                 lanes);
    });
  }
};

template <bool Add, class T>
STRIATE_HD void forward(ThreadPool& threads, const LocalContrastNorm::Attributes& a,
                        const View* v) {
  const View& y = v[1];
  const Volumes<T> s(a, v[0], v[2]);
  s.writeDistances(threads);
  s.template forEach<!Add>(
      threads, [&](std::int64_t row, std::int64_t w, std::int64_t c, auto lanes) {
        put<Add>(at<T>(y, row * s.W + w, c),
                 s.input(row, w, c, lanes) * power<T>(s.base(row, w, c, lanes), T(a.beta)), lanes);
      });
}

template <bool Add, class T>
STRIATE_HD void backward(ThreadPool& threads, const LocalContrastNorm::Attributes& a,
                         const View* v) {
  const View &dy = v[1], &dx = v[2];
  const Volumes<T> s(a, v[0], v[3]);
  const T factor = T(-2) * T(a.scale) * T(a.beta);
  s.writeDistances(threads);
  s.template forEach<true>(threads, [&](std::int64_t row, std::int64_t w, std::int64_t c,
                                        auto lanes) {
    const Vector<T> base = s.base(row, w, c, lanes);
    const Vector<T> product = load(at<T>(dy, row * s.W + w, c), lanes) * s.input(row, w, c, lanes);
    put<false>(s.t + s.at(row, w, c), product * power<T>(base, T(a.beta)) / base, lanes);
  });
  s.template forEach<true>(
      threads, [&](std::int64_t row, std::int64_t w, std::int64_t c, auto lanes) {
        const Vector<T> sum =
            s.shares.template sum<true, true>(row / s.H, {row % s.H, w, c}, lanes, Same());
        const std::int64_t place = s.at(row, w, c);
        put<false>(s.e + place,
                   load(s.d + place, lanes) * sum * (factor / s.values.count(row % s.H, w)), lanes);
      });
  // dx may be dy: no vector is taken twice.
  s.template forEach<false>(
      threads, [&](std::int64_t row, std::int64_t w, std::int64_t c, auto lanes) {
        const Vector<T> sum =
            s.slopes.template sum<true, true>(row / s.H, {row % s.H, w, c}, lanes, Same());
        const Vector<T> own = load(s.e + s.at(row, w, c), lanes) * s.values.count(row % s.H, w);
        const Vector<T> direct = load(at<T>(dy, row * s.W + w, c), lanes) *
                                 power<T>(s.base(row, w, c, lanes), T(a.beta));
        put<Add>(at<T>(dx, row * s.W + w, c), direct + own - sum, lanes);
      });
}
}  // namespace

void local_contrast_norm(const Call& call) {
  const auto& a = *static_cast<const LocalContrastNorm::Attributes*>(call.attributes);
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  const bool forwards = call.op == LocalContrastNorm::Forward;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    choose(v[forwards ? 1 : 2].accumulates(), [&](auto add) {
      if (forwards)
        forward<add.value, T>(threads, a, v);
      else
        backward<add.value, T>(threads, a, v);
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
