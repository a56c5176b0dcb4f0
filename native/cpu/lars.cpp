// LARS: norms of the segments, then one pass over the slabs; see ops/lars.h.
#include "ops/lars.h"

#include "cpu/trust.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Lars;

void lars(const Call& call) {
  const auto& attributes = *static_cast<const Lars::Attributes*>(call.attributes);
  const Control& control = call.context.control;
  if (control.commit == 0) return;
  forFloatType(call.views[ops::kParameters].dtype, [&](auto type) {
    using T = decltype(type);
    const ops::Gradient<T> gradient = gradientOf<T>(call);
    const double* ratios =
        trustRatios<Lars>(call, [&](const ops::Segment&, std::int64_t first, std::int64_t count) {
          const SlabRun<T, 0> run = slabRun<T, 0>(call.views, first);
          return sumSquares<T>(count, [&](std::int64_t i, T& p, T& g) {
            p = run.parameters[i];
            g = gradient(run.gradients[i]);
          });
        });
    forEachSegment(
        call, [&](std::int64_t i, const ops::Segment& s, std::int64_t first, std::int64_t count) {
          const Lars::Rule<T> rule = {T(attributes.momentum), T(ratios[i])};
          updateRun<true>(rule, gradient, slabRun<T, 1>(call.views, first), count,
                          T(control.learningRate * s.rateScale), T(s.weightDecay));
        });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
