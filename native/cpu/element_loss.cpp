// Losses element by element; see ops/element_loss.h. Sums run in double, a part of a row at a time.
#include "ops/element_loss.h"

#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace striate::cpu::STRIATE_ISA {

using ops::ElementLoss;

namespace {
STRIATE_HD float logarithmOfOneMore(float x) { return __builtin_log1pf(x); }
STRIATE_HD double logarithmOfOneMore(double x) { return __builtin_log1p(x); }

template <int Kind, class T>
STRIATE_HD T lossOf(T x, T t, T delta) {
  if constexpr (Kind != ElementLoss::Sigmoid)
    return ElementLoss::loss<Kind>(x, t, delta);
  else
    return magnitude(x) * (x > T(0) ? T(1) - t : t) +
           logarithmOfOneMore(exponential(-magnitude(x)));
}

template <int Kind, class T>
STRIATE_HD T slopeOf(T x, T t, T delta) {
  if constexpr (Kind != ElementLoss::Sigmoid) {
    return ElementLoss::slope<Kind>(x, t, delta);
  } else {
    // e^-|x| never overflows.
    const T e = exponential(-magnitude(x));
    return (x < T(0) ? e : T(1)) / (T(1) + e) - t;
  }
}

template <int Kind, class T>
STRIATE_HD double sumOfLosses(const T* x, const T* t, std::int64_t count, T delta) {
  constexpr int kPartials = 16;
  double lanes[kPartials] = {};
  std::int64_t i = 0;
  for (; i + kPartials <= count; i += kPartials)
    for (int k = 0; k < kPartials; ++k) lanes[k] += double(lossOf<Kind>(x[i + k], t[i + k], delta));
  for (int k = 0; i < count; ++i, ++k) lanes[k] += double(lossOf<Kind>(x[i], t[i], delta));
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

template <int Kind, class T>
STRIATE_HD void forward(const Call& call, T delta) {
  const View &x = call.views[0], &target = call.views[1];
  const std::int64_t rows = x.size[0], elements = x.size[1];
  const std::int64_t parts = ElementLoss::parts(elements);
  double* sums = call.views[4].as<double>();
  forEachPiece(
      call.context.threads, rows * parts, smaller(elements, ElementLoss::kPart),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p) {
          const std::int64_t row = p / parts, from = (p - row * parts) * ElementLoss::kPart;
          const std::int64_t count = smaller(ElementLoss::kPart, elements - from);
          sums[p] = sumOfLosses<Kind>(at<T>(x, row, from), at<T>(target, row, from), count, delta);
        }
      });
  T* losses = call.views[2].as<T>();
  double total = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    double sum = 0;
    for (std::int64_t part = 0; part < parts; ++part) sum += sums[row * parts + part];
    losses[row] = T(sum / double(elements));
    total += sum / double(elements);
  }
  T* statistics = call.views[3].as<T>();
  statistics[0] = T(total);
  statistics[1] = T(rows);
  statistics[2] = statistics[3] = T(0);
}

template <int Kind, class T>
STRIATE_HD void run(const Call& call, T delta) {
  if (call.op == ElementLoss::Forward) return forward<Kind>(call, delta);
  const View &x = call.views[0], &target = call.views[1], &dx = call.views[3];
  const double count = double(call.views[2].as<T>()[1]) * double(x.size[1]);
  const T scale = T(call.context.control.lossScale / count);
  map<T>(call.context.threads, x, target, dx,
         [=](T value, T t) { return slopeOf<Kind>(value, t, delta) * scale; });
}
}  // namespace

void element_loss(const Call& call) {
  const auto& attributes = *static_cast<const ElementLoss::Attributes*>(call.attributes);
  forFloatType(call.views[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T delta = T(attributes.delta);
    switch (attributes.kind) {
      case ElementLoss::Squared:
        return run<ElementLoss::Squared>(call, delta);
      case ElementLoss::Absolute:
        return run<ElementLoss::Absolute>(call, delta);
      case ElementLoss::Huber:
        return run<ElementLoss::Huber>(call, delta);
      case ElementLoss::Sigmoid:
        return run<ElementLoss::Sigmoid>(call, delta);
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
