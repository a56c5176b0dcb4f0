// The optimizers' pass over the slabs: pieces of the slab on the threads, each with the segments that it
// meets; see ops/slab.h.
#pragma once
#include "cpu/rows.h"
#include "ops/slab.h"

#if defined(STRIATE_ISA)
namespace striate::cpu::STRIATE_ISA {

// A slab's part: gradients, parameters and the slots that are given, in their order.
template <class T, int Slots>
struct SlabRun {
  const T* gradients;
  T* parameters;
  T* slots[Slots + 1];
};

// Slots are written back where the rule changes them: `Remembers`.
template <bool Remembers, class T, class Rule>
STRIATE_HD void updateRun(const Rule& rule, const ops::Gradient<T>& gradient,
                          const SlabRun<T, Rule::kSlots>& run, std::int64_t count, T rate,
                          T decay) {
  constexpr int kSlots = Rule::kSlots;
  const T* gradients = run.gradients;
  T* parameters = run.parameters;
  T *first = run.slots[0], *second = run.slots[kSlots > 1 ? 1 : 0],
    *third = run.slots[kSlots > 2 ? 2 : 0];
  STRIATE_LANES
  for (std::int64_t i = 0; i < count; ++i) {
    T slots[3] = {};
    if constexpr (kSlots > 0) slots[0] = first[i];
    if constexpr (kSlots > 1) slots[1] = second[i];
    if constexpr (kSlots > 2) slots[2] = third[i];
    T p = parameters[i];
    rule(gradient(gradients[i]), p, slots, rate, decay);
    parameters[i] = p;
    if constexpr (Remembers && kSlots > 0) first[i] = slots[0];
    if constexpr (Remembers && kSlots > 1) second[i] = slots[1];
    if constexpr (Remembers && kSlots > 2) third[i] = slots[2];
  }
}

template <class T>
STRIATE_HD ops::Gradient<T> gradientOf(const Call& call) {
  const View& clip = call.views[ops::kClip];
  const double lossScale = call.context.control.lossScale;
  if (!clip) return ops::Gradient<T>::make(lossScale);
  return ops::Gradient<T>::make(lossScale, clip.as<T>()[0], clip.as<T>()[1]);
}

// The slabs from `first` on.
template <class T, int Slots>
STRIATE_HD SlabRun<T, Slots> slabRun(const View* v, std::int64_t first) {
  SlabRun<T, Slots> run = {
      v[ops::kGradients].as<T>() + first, v[ops::kParameters].as<T>() + first, {}};
  int given = 0;
  for (int i = ops::kFirstSlot; given < Slots; ++i)
    if (v[i]) run.slots[given++] = v[i].as<T>() + first;
  return run;
}

// Calls body(i, segment, first, count) for the part of each segment i in each piece of the slab.
template <class Body>
STRIATE_HD void forEachSegment(const Call& call, const Body& body) {
  const View& segments = call.views[ops::kSegments];
  const std::int64_t length = call.views[ops::kParameters].elements();
  forEachPiece(call.context.threads, length, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < segments.size[0]; ++i) {
      const ops::Segment s = ops::segment(segments.as<std::int32_t>() + 4 * i, length);
      const std::int64_t first = larger(begin, s.begin), count = smaller(end, s.end) - first;
      if (count > 0) body(i, s, first, count);
    }
  });
}

template <class Family>
STRIATE_HD void updateSlab(const Call& call) {
  const auto& attributes = *static_cast<const typename Family::Attributes*>(call.attributes);
  const Control& control = call.context.control;
  if (control.commit == 0) return;
  forFloatType(call.views[ops::kParameters].dtype, [&](auto type) {
    using T = decltype(type);
    Family::template forRule<T>(attributes, call.views, [&](auto chosen) {
      using Rule = decltype(chosen);
      const Rule rule = Rule::make(attributes, control);
      const ops::Gradient<T> gradient = gradientOf<T>(call);
      forEachSegment(
          call, [&](std::int64_t, const ops::Segment& s, std::int64_t first, std::int64_t count) {
            updateRun<true>(rule, gradient, slabRun<T, Rule::kSlots>(call.views, first), count,
                            T(control.learningRate * s.rateScale), T(s.weightDecay));
          });
    });
  });
}

}  // namespace striate::cpu::STRIATE_ISA
#endif
