// The loss scale; see ops/loss_scale.h.
#include "ops/loss_scale.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::LossScale;

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

// The test counts integers, so that the loop vectorises.
template <class T>
STRIATE_HD void unscale(const View& gradients, Context& context) {
  const T factor = LossScale::inverse<T>(context.control);
  forEachRun(context.threads, {&gradients},
             [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
               T* g = at<T>(gradients, pixel, c);
               int found = 0;
               for (std::int64_t i = 0; i < count; ++i) {
                 const T value = g[i] * factor;
                 g[i] = value;
                 found |= !(LossScale::residue(value) == T(0));
               }
               if (found) __atomic_store_n(&context.control.commit, 0, __ATOMIC_RELAXED);
             });
}

}  // namespace

void loss_scale(const Call& call) {
  const View* v = call.views;
  forFloatType(v[call.op == LossScale::Scale ? 1 : 0].dtype, [&](auto type) {
    using T = decltype(type);
    if (call.op == LossScale::Scale)
      scale<T>(v[0], v[1], call.context);
    else
      unscale<T>(v[0], call.context);
  });
}

}  // namespace striate::cpu::STRIATE_ISA
