// copy and fill; see ops/copy.h.
#include "ops/copy.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Copy;

void copy(const Call& call) {
  const auto& attributes = *static_cast<const Copy::Attributes*>(call.attributes);
  const View &x = call.views[0], &y = call.views[call.op == Copy::Fill ? 0 : 1];
  ThreadPool& threads = call.context.threads;
  forFloatType(y.dtype, [&](auto type) {
    using T = decltype(type);
    const T alpha = T(attributes.alpha), beta = T(attributes.beta);
    if (call.op == Copy::Fill) {
      choose(y.accumulates(), [&](auto add) {
        forEachRun(threads, {&y}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
          T* to = at<T>(y, pixel, c);
          for (std::int64_t i = 0; i < count; ++i) put<add.value>(to[i], beta);
        });
      });
    } else if (alpha == T(1) && beta == T(0)) {
      map<T>(threads, x, y, [](T value) { return value; });
    } else {
      map<T>(threads, x, y, [=](T value) { return Copy::value(value, alpha, beta); });
    }
  });
}

}  // namespace striate::cpu::STRIATE_ISA
