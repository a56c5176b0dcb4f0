// RMSProp (Tieleman and Hinton, lecture 6.5 of 2012) over a slab of parameters, PyTorch's rule:
//   g = gradient + weightDecay * p
//   square = alpha * square + (1 - alpha) g^2
//   average = alpha * average + (1 - alpha) g     (centred: Graves, arXiv:1308.0850)
//   step = g / (sqrt(square - average^2) + epsilon)   (without `average`: sqrt(square))
//   v = momentum * v + step                       (without momentum: step itself)
//   p = p - rate * v
// where rate is control.learningRate * rateScale. Slabs and segments: ops/slab.h.
#pragma once
#include "ops/slab.h"

namespace striate::ops {

struct RmsProp {
  enum Op : int { Forward };

  struct Attributes {
    double alpha;
    double epsilon;
    double momentum;
  };
  static constexpr Field fields[] = {STRIATE_FIELD(Attributes, alpha),
                                     STRIATE_FIELD(Attributes, epsilon),
                                     STRIATE_FIELD(Attributes, momentum)};

  static constexpr OpInfo ops[] = {
      {"rmsProp",
       {in("gradients", Element::Compute), in("segments", Element::Int32),
        optionalIn("clip", Element::Compute), out("parameters", Element::Compute),
        out("square", Element::Compute), optionalOut("average", Element::Compute),
        optionalOut("momentum", Element::Compute)}},
  };

  static void check(int, const Attributes& a, const View* v) {
    requireShare(a.alpha, "alpha is at least 0 and less than 1");
    requireEpsilon(a.epsilon);
    requireArgument(a.momentum >= 0 && a.momentum < 1e30, "momentum is a number, not negative");
    checkSlabs(v, 3);
    requireArgument(a.momentum == 0 || v[kFirstSlot + 2],
                    "a slab of momentum is given where momentum is not 0");
  }

  template <class T, bool Centered, bool HasMomentum>
  struct Rule {
    static constexpr int kSlots = 1 + Centered + HasMomentum;
    static constexpr bool kPowers = false;
    T alpha, rest, epsilon, momentum;

    STRIATE_HD static Rule make(const Attributes& a, const Control&) {
      return {T(a.alpha), T(1 - a.alpha), T(a.epsilon), T(a.momentum)};
    }
    STRIATE_HD void operator()(T g, T& p, T* slots, T rate, T decay) const {
      g += decay * p;
      slots[0] = alpha * slots[0] + rest * g * g;
      T variance = slots[0];
      if constexpr (Centered) {
        slots[1] = alpha * slots[1] + rest * g;
        variance -= slots[1] * slots[1];
        variance = variance < T(0) ? T(0) : variance;  // of rounding
      }
      T step = g / (root(variance) + epsilon);
      if constexpr (HasMomentum) {
        T& velocity = slots[kSlots - 1];
        velocity = momentum * velocity + step;
        step = velocity;
      }
      p -= rate * step;
    }
  };

  template <class T, class F>
  STRIATE_HD static void forRule(const Attributes&, const View* v, F&& f) {
    const bool centered = bool(v[kFirstSlot + 1]), momentum = bool(v[kFirstSlot + 2]);
    if (centered && momentum) return f(Rule<T, true, true>());
    if (centered) return f(Rule<T, true, false>());
    if (momentum) return f(Rule<T, false, true>());
    f(Rule<T, false, false>());
  }
};

}  // namespace striate::ops
