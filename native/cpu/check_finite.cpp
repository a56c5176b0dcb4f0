// Looks for NaN and infinity; see ops/check_finite.h. A minimum over integers, so it vectorises.
#include "ops/check_finite.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::CheckFinite;

void checkFinite(const View& x, Context& context) {
  forFloatType(x.dtype, [&](auto type) {
    using T = decltype(type);
    forEachRun(context.threads, {&x}, [&](std::int64_t pixel, std::int64_t c, std::int64_t count) {
      const T* from = at<T>(x, pixel, c);
      int found = 0;
      for (std::int64_t i = 0; i < count; ++i) found |= !(CheckFinite::residue(from[i]) == T(0));
      if (found) __atomic_store_n(&context.control.commit, 0, __ATOMIC_RELAXED);
    });
  });
}

void check_finite(const Call& call) {
  for (int i = 0; i < 2; ++i)
    if (call.views[i]) checkFinite(call.views[i], call.context);
}

}  // namespace striate::cpu::STRIATE_ISA
