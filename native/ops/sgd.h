// Stochastic gradient descent with momentum over a slab of parameters, PyTorch's rule:
//   g = gradient + weightDecay * p
//   v = momentum * v + g                   (Sutskever et al., ICML 2013)
//   p = p - rate * rateScale * (nesterov ? g + momentum * v : v)
// and without momentum p = p - rate * rateScale * g, where rate is control.learningRate. Slabs and
// segments: ops/slab.h.
#pragma once
#include "ops/slab.h"

namespace striate::ops {

struct Sgd {
  enum Op : int { Forward };

  struct Attributes {
    float momentum;
    std::int32_t nesterov;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, momentum),
                                     STRIATE_FIELD(Attributes, nesterov)};

  static constexpr OpInfo ops[] = {
      {"sgd",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        optionalIn("clip", Element::Compute), out("parameters", Element::Compute),
        optionalOut("momentum", Element::Compute)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireArgument(a.momentum >= 0 && a.momentum < 1e30f, "momentum is a number, not negative");
    checkSlabs(v, 1);
    requireArgument(a.momentum == 0 || v[kFirstSlot],
                    "a slab of momentum is given where momentum is not 0");
    requireArgument(a.momentum > 0 || !a.nesterov, "nesterov needs momentum");
  }

  template <class T, bool HasMomentum, bool Nesterov>
  struct Rule {
    static constexpr int kSlots = HasMomentum ? 1 : 0;
    static constexpr bool kPowers = false;
    T momentum;

    STRIATE_HD static Rule make(const Attributes& a, const Control&) { return {T(a.momentum)}; }
    STRIATE_HD void operator()(T g, T& p, T* slots, T rate, T decay) const {
      g += decay * p;
      T direction = g;
      if constexpr (HasMomentum) {
        slots[0] = momentum * slots[0] + g;
        direction = Nesterov ? g + momentum * slots[0] : slots[0];
      }
      p -= rate * direction;
    }
  };

  // Calls f(Rule<T, ...>()) for the rule of these operands.
  template <class T, class F>
  STRIATE_HD static void forRule(const Attributes& a, const View* v, F&& f) {
    if (!v[kFirstSlot]) return f(Rule<T, false, false>());
    if (a.nesterov) return f(Rule<T, true, true>());
    f(Rule<T, true, false>());
  }
};

}  // namespace striate::ops
