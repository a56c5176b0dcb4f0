// LAMB: averages and norms of the segments, then the step; see ops/lamb.h.
#include "ops/lamb.h"

#include "cpu/trust.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Lamb;

void lamb(const Call& call) {
  const auto& attributes = *static_cast<const Lamb::Attributes*>(call.attributes);
  const Control& control = call.context.control;
  if (control.commit == 0) return;
  forFloatType(call.views[ops::kParameters].dtype, [&](auto type) {
    using T = decltype(type);
    using Rule = Lamb::Rule<T>;
    const Rule step = Rule::make(attributes, control);
    const ops::Gradient<T> gradient = gradientOf<T>(call);
    const double* ratios =
        trustRatios<Lamb>(call, [&](const ops::Segment& s, std::int64_t first, std::int64_t count) {
          const SlabRun<T, 2> run = slabRun<T, 2>(call.views, first);
          const T decay = T(s.weightDecay);
          return sumSquares<T>(count, [&](std::int64_t i, T& p, T& u) {
            T slots[2] = {run.slots[0][i], run.slots[1][i]};
            step.remember(gradient(run.gradients[i]), slots);
            run.slots[0][i] = slots[0];
            run.slots[1][i] = slots[1];
            p = run.parameters[i];
            u = step.direction(p, slots, decay);
          });
        });
    forEachSegment(
        call, [&](std::int64_t i, const ops::Segment& s, std::int64_t first, std::int64_t count) {
          Rule rule = step;
          rule.ratio = T(ratios[i]);
          updateRun<false>(rule, gradient, slabRun<T, 2>(call.views, first), count,
                           T(control.learningRate * s.rateScale), T(s.weightDecay));
        });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
