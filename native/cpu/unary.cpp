// Functions of one operand and their gradients; see ops/unary.h.
#include "ops/unary.h"

#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Unary;

namespace {
template <class T>
STRIATE_HD void forward(int kind, ThreadPool& threads, const View& x, const View& y) {
  switch (kind) {
    case Unary::Neg:
      return map<T>(threads, x, y, [](T v) { return -v; });
    case Unary::Square:
      return map<T>(threads, x, y, [](T v) { return v * v; });
    case Unary::Sqrt:
      return map<T>(threads, x, y, [](T v) { return squareRoot(v); });
    case Unary::Exp:
      return map<T>(threads, x, y, [](T v) { return exponential(v); });
    case Unary::Log:
      return map<T>(threads, x, y, [](T v) { return logarithm(v); });
    case Unary::Abs:
      return map<T>(threads, x, y, [](T v) { return magnitude(v); });
  }
}

template <int Kind, class T>
STRIATE_HD void backward(ThreadPool& threads, const View* v) {
  const View &x = v[0], &y = v[1], &dy = v[2], &dx = v[3];
  choose(dx.accumulates(), [&](auto add) {
    forEachRun(threads, {&x, &y, &dy, &dx},
               [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
                 const T* in = at<T>(x, pixel, c);
                 const T* out = at<T>(y, pixel, c);
                 const T* from = at<T>(dy, pixel, c);
                 T* to = at<T>(dx, pixel, c);
                 STRIATE_LANES
                 for (std::int64_t i = 0; i < count; ++i)
                   put<add.value>(to[i], Unary::gradient<Kind>(in[i], out[i], from[i]));
               });
  });
}
}  // namespace

void unary(const Call& call) {
  const auto& attributes = *static_cast<const Unary::Attributes*>(call.attributes);
  const View* v = call.views;
  ThreadPool& threads = call.context.threads;
  forFloatType(v[0].dtype, [&](auto type) {
    using T = decltype(type);
    if (call.op == Unary::Forward) return forward<T>(attributes.kind, threads, v[0], v[1]);
    switch (attributes.kind) {
      case Unary::Neg:
        return backward<Unary::Neg, T>(threads, v);
      case Unary::Square:
        return backward<Unary::Square, T>(threads, v);
      case Unary::Sqrt:
        return backward<Unary::Sqrt, T>(threads, v);
      case Unary::Exp:
        return backward<Unary::Exp, T>(threads, v);
      case Unary::Log:
        return backward<Unary::Log, T>(threads, v);
      case Unary::Abs:
        return backward<Unary::Abs, T>(threads, v);
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
