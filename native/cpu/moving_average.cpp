// The moving average of parameters; see ops/moving_average.h.
#include "ops/moving_average.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::MovingAverage;

void moving_average(const Call& call) {
  const auto& attributes = *static_cast<const MovingAverage::Attributes*>(call.attributes);
  const View &parameters = call.views[0], &averages = call.views[1];
  const Control& control = call.context.control;
  if (control.commit == 0) return;
  forFloatType(parameters.dtype, [&](auto type) {
    using T = decltype(type);
    const T weight = T(MovingAverage::weight(attributes, control.step));
    forEachPiece(call.context.threads, parameters.elements(), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   const T* from = parameters.as<T>();
                   T* to = averages.as<T>();
                   STRIATE_LANES
                   for (std::int64_t i = begin; i < end; ++i)
                     to[i] = MovingAverage::next(to[i], from[i], weight);
                 });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
