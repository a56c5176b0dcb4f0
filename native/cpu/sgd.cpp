// Stochastic gradient descent in one pass over the slabs; see ops/sgd.h.
#include "ops/sgd.h"

#include "cpu/rows.h"

namespace striate::cpu::STRIATE_ISA {

using ops::Sgd;

namespace {
template <bool HasMomentum, bool Nesterov, class T>
STRIATE_HD void update(const T* gradients, T* parameters, T* momenta, std::int64_t count, T rate,
                       T decay, T momentum) {
  STRIATE_LANES
  for (std::int64_t i = 0; i < count; ++i) {
    const T p = parameters[i], g = gradients[i] + decay * p;
    T direction = g;
    if constexpr (HasMomentum) {
      const T velocity = momentum * momenta[i] + g;
      momenta[i] = velocity;
      direction = Nesterov ? g + momentum * velocity : velocity;
    }
    parameters[i] = p - rate * direction;
  }
}
}  // namespace

void sgd(const Call& call) {
  const auto& attributes = *static_cast<const Sgd::Attributes*>(call.attributes);
  const View &gradients = call.views[0], &segments = call.views[1], &parameters = call.views[2];
  const View& momenta = call.views[3];
  const Control& control = call.context.control;
  if (control.commit == 0) return;

  const std::int64_t length = parameters.elements();
  forFloatType(parameters.dtype, [&](auto type) {
    using T = decltype(type);
    forEachPiece(call.context.threads, length, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < segments.size[0]; ++i) {
        const Sgd::Segment s = Sgd::segment(segments.as<std::int32_t>() + 4 * i, length);
        const std::int64_t first = larger(begin, s.begin), count = smaller(end, s.end) - first;
        if (count <= 0) continue;
        const T* g = gradients.as<T>() + first;
        T* p = parameters.as<T>() + first;
        T* v = momenta ? momenta.as<T>() + first : nullptr;
        const T rate = T(control.learningRate * s.rateScale), decay = T(s.weightDecay);
        const T momentum = T(attributes.momentum);
        if (v == nullptr)
          update<false, false>(g, p, v, count, rate, decay, momentum);
        else if (attributes.nesterov)
          update<true, true>(g, p, v, count, rate, decay, momentum);
        else
          update<true, false>(g, p, v, count, rate, decay, momentum);
      }
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
