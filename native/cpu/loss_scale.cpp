// The loss scale; see ops/loss_scale.h.
#include "ops/loss_scale.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

namespace {

template <class T>
STRIATE_HD void scale(const View& x, const View& y, Context& context) {
  const T factor = T(context.control.lossScale);
  if (x) return map<T>(context.threads, x, y, [=](T value) { return value * factor; });
  choose(y.accumulates(), [&](auto add) {
    forEachRun(context.threads, {&y}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
      T* to = at<T>(y, pixel, c);
      for (std::int64_t i = 0; i < count; ++i) put<add.value>(to[i], factor);
    });
  });
}

}  // namespace

void loss_scale(const Call& call) {
  const View* v = call.views;
  forFloatType(v[1].dtype, [&](auto type) { scale<decltype(type)>(v[0], v[1], call.context); });
}

}  // namespace striate::cpu::STRIATE_ISA
